import { Menu } from '@mantine/core'
import { IconCheck, IconHandFinger, IconLogout, IconMoon, IconSun, IconUser } from '@tabler/icons-react'
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

function Choice({ chosen, children, onClick }: { chosen: boolean; children: string; onClick: () => void }) {
  return (
    <Menu.Item role="menuitemradio" aria-checked={chosen} closeMenuOnClick={false} onClick={onClick}
      rightSection={chosen ? <IconCheck size={16} aria-hidden="true" /> : undefined}>
      {children}
    </Menu.Item>
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
        <button className="button plain user" aria-label={t.bar.menu} title={t.bar.menu}>
          <IconUser size={20} stroke={1.7} aria-hidden="true" /><span>{me.display || me.name}</span>
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{me.display || me.name}<br />{fill(t.bar.roles, { roles: me.roles.join(', ') })}</Menu.Label>
        <Menu.Divider />
        <Menu.Label>{t.bar.zone}</Menu.Label>
        {zones.map(([zone, text]) => <Choice key={zone} chosen={settings.zone === zone} onClick={() => settings.set({ zone })}>{text}</Choice>)}
        <Menu.Divider />
        <Menu.Label>{t.bar.language}</Menu.Label>
        {Object.entries(languages).map(([key, { name }]) => (
          <Choice key={key} chosen={settings.language === key} onClick={() => settings.set({ language: key })}>{name}</Choice>
        ))}
        <Menu.Divider />
        <Choice chosen={settings.keys} onClick={() => settings.set({ keys: !settings.keys })}>{t.bar.keys}</Choice>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={18} stroke={1.7} />} onClick={() => void leave()}>{t.bar.signOut}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
