import { Menu } from '@mantine/core'
import { IconHandFinger, IconLogout, IconMoon, IconSun, IconUser } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { api } from '../api/client'
import { fill, languages, useTexts } from '../i18n'
import { figure } from '../i18n/sentence'
import { clock, offsetLabel, type Zone } from '../live/time'
import { QuickSearch } from './QuickSearch'
import { useLinkView, useSession } from './session'
import { useSettings } from './settings'

export function TopBar() {
  return (
    <header className="top">
      <QuickSearch />
      <LinkState />
      <PlantClock />
      <Switches />
      <UserMenu />
    </header>
  )
}

function LinkState() {
  const t = useTexts()
  const { link } = useSession()
  const view = useLinkView()
  if (view.state === 'live') {
    return (
      <div className="link-state" role="status">
        <span className="dot" aria-hidden="true" /><strong>{t.bar.live}</strong>
        {view.rate !== undefined && <span className="second rate">{fill(t.bar.rate, { n: figure(view.rate, t.locale) })}</span>}
      </div>
    )
  }
  return (
    <div className="link-state" role="status">
      <span className="dot off" aria-hidden="true" />
      <strong>{view.state === 'lost' ? t.bar.lost : t.bar.connecting}</strong>
      {view.state === 'lost' && <button className="link" onClick={link.retry}>{t.app.retry}</button>}
    </div>
  )
}

function PlantClock() {
  const t = useTexts()
  const { link, zone } = useSession()
  const { zone: choice } = useSettings()
  const [now, setNow] = useState(link.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(link.now()), 1000)
    return () => clearInterval(timer)
  }, [link])
  const name = { plant: t.bar.plantTime, own: t.bar.ownTime, utc: t.bar.utc }[choice]
  return (
    <div className="clock" title={new Date(now).toISOString()}>
      <strong>{clock(now, zone)}</strong> <span className="second">{choice === 'utc' ? 'UTC' : `${name} (${offsetLabel(now, zone)})`}</span>
    </div>
  )
}

function Switches() {
  const t = useTexts()
  const { theme, density, set } = useSettings()
  const denser = density === 'touch'
  return (
    <>
      <button className="button plain icon" aria-pressed={denser} aria-label={t.bar.touch} title={denser ? t.bar.desk : t.bar.touch}
        onClick={() => set({ density: denser ? 'desk' : 'touch' })}>
        <IconHandFinger size={20} stroke={1.7} />
      </button>
      <button className="button plain icon" aria-label={theme === 'dark' ? t.bar.light : t.bar.dark} title={theme === 'dark' ? t.bar.light : t.bar.dark}
        onClick={() => set({ theme: theme === 'dark' ? 'light' : 'dark' })}>
        {theme === 'dark' ? <IconSun size={20} stroke={1.7} /> : <IconMoon size={20} stroke={1.7} />}
      </button>
    </>
  )
}

function UserMenu() {
  const t = useTexts()
  const { me, link } = useSession()
  const settings = useSettings()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const zones: [Zone, string][] = [['plant', t.bar.zonePlant], ['own', t.bar.zoneOwn], ['utc', t.bar.zoneUtc]]
  const leave = async () => {
    await api.signOut().catch(() => undefined) // gone either way
    link.stop()
    await navigate({ to: '/signin', search: {} })
    queries.clear()
  }
  return (
    <Menu position="bottom-end" width={260}>
      <Menu.Target>
        <button className="button plain user" title={t.bar.menu}>
          <IconUser size={20} stroke={1.7} aria-hidden="true" /><span className="user-name">{me.display || me.name}</span><span className="hidden-visually">{t.bar.menu}</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.display || me.name}<br />{fill(t.bar.roles, { roles: me.roles.join(', ') })}</Menu.Label>
        <Menu.Divider />
        <Menu.Label>{t.bar.zone}</Menu.Label>
        <Menu.RadioGroup value={settings.zone} onChange={zone => settings.set({ zone: zone as Zone })}>
          {zones.map(([zone, text]) => <Menu.RadioItem key={zone} value={zone} closeMenuOnClick={false}>{text}</Menu.RadioItem>)}
        </Menu.RadioGroup>
        <Menu.Divider />
        <Menu.Label>{t.bar.language}</Menu.Label>
        <Menu.RadioGroup value={settings.language} onChange={language => settings.set({ language: String(language) })}>
          {Object.entries(languages).map(([key, { name }]) => <Menu.RadioItem key={key} value={key} closeMenuOnClick={false}>{name}</Menu.RadioItem>)}
        </Menu.RadioGroup>
        <Menu.Divider />
        <Menu.CheckboxItem checked={settings.keys} onChange={keys => settings.set({ keys })} closeMenuOnClick={false}>{t.bar.keys}</Menu.CheckboxItem>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={18} stroke={1.7} />} onClick={() => void leave()}>{t.bar.signOut}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
