// All texts of the pages in English. Other languages have the same keys (checked
// by the compiler) and are loaded when chosen.

import { profileReasons, reasons, type ProfileReason, type Reason } from '../proof/reasons'
import type { SaidTable } from './said'
import { sentences, words } from './sentences.en'

export const en = {
  // Day before month, as plants write it.
  locale: 'en-GB',
  name: 'English',
  sentences,
  words,
  // Programs and stations write English: nothing to put in its place.
  explained: {} as Record<string, readonly string[]>,
  said: {} as SaidTable,
  reasons: reasons as Record<Reason, string>,
  profile: Object.fromEntries(profileReasons.map(text => [text, text])) as Record<ProfileReason, string>,
  app: { loading: 'Loading', skip: 'Skip to the page', retry: 'Try again', close: 'Close', cancel: 'Cancel', back: 'Back to the list' },
  nav: { main: 'Pages', events: 'Events' },
  bar: {
    search: 'Search events, stations, people', live: 'Live', connecting: 'Connecting', lost: 'Connection lost. Trying again',
    rate: '{n} events/s', plantTime: 'Plant time', ownTime: 'Own time', utc: 'UTC time', touch: 'Larger rows and buttons', desk: 'Denser rows',
    dark: 'Dark theme', light: 'Light theme', menu: 'You and your settings', zone: 'Time shown in', zonePlant: 'Plant time',
    zoneOwn: 'Time of this computer', zoneUtc: 'UTC', language: 'Language', keys: 'One-key shortcuts', signOut: 'Sign out',
    roles: 'Roles: {roles}',
  },
  signIn: {
    title: 'Sign in', name: 'Name', password: 'Password', submit: 'Sign in', wrong: 'Name or password is wrong. Check both and try again.',
    slow: 'Too many attempts. Wait a minute, then try again.', unreachable: 'The server does not answer. Check the network, then try again.',
    failed: 'Signing in failed: {detail}', missing: 'Enter your name and password.', note: 'Ask your administrator if you have no account.', busy: 'Signing in',
  },
  severity: { debug: 'Debug', info: 'Info', low: 'Low', medium: 'Medium', high: 'High', critical: 'Critical' },
  className: { security: 'Security', manufacturing: 'Manufacturing', performance: 'Performance', debug: 'Debug' },
  events: {
    title: 'Events', inView: '{n} match', inViewCapped: 'more than {n} match', range: 'Fixed time range', filter: 'Filter events',
    placeholder: 'station:line3/** severity>=medium type:quality.* -user:p-9f*', copy: 'Copy link', copied: 'Link copied', copyFailed: 'Copying is not allowed here. The link is in the address bar.',
    export: 'Export', pause: 'Pause', resume: 'Resume', space: 'Space', toLive: 'Back to live', paused: 'Paused.', newer: '{n} newer', newerMany: 'more than {n} newer',
    none: 'nothing newer', time: 'Time', station: 'Station', what: 'What happened', list: 'Events, newest first', asOf: 'Connection lost. This is as of {time}.',
    only: 'Only {value}', not: 'Without {value}', clear: 'Clear the filter',
    empty: 'No event matches this filter.', emptyHint: 'Clear the filter or choose a longer time.', emptyAll: 'No events yet.',
    emptyAllHint: 'They appear here as soon as an agent sends its first one. You see only stations of your scope.',
    failed: 'The events could not be loaded: {detail}', forbidden: 'Your role may not read events.', forbiddenHint: 'Ask for the role viewer or maintenance if you need them.',
    more: 'Loading older events', end: 'These are all events of this filter.', useSuggestion: 'Use {text}',
  },
  chips: { label: 'Quick filters', urgent: 'High and critical', quality: 'Quality', equipment: 'Equipment', security: 'Security', changes: 'Changes' },
  histogram: {
    label: 'Events over time, {from} to {to}', drag: 'Drag to look at a time range', span: 'Time range', m15: '15 min', h1: '1 h', h8: '8 h', d1: '24 h', d7: '7 days', custom: 'Chosen range', any: 'Any time',
    bucket: '{time}: {n} events', urgent: '{n} high or critical', failed: 'No time chart: {detail}',
  },
  detail: {
    label: 'Event', time: 'Time', received: 'Received', station: 'Station', equipment: 'Equipment', signal: 'Signal', type: 'Type', severity: 'Severity', class: 'Kind',
    person: 'Person', ip: 'Address', id: 'Event id', correlation: 'Belongs to', source: 'Source', clock: 'Station clock', clockOff: 'off by {d}', data: 'Details', context: 'Context', place: 'Place in the log',
    placeText: 'number {index} of log {log}', origin: 'Where it came from', problems: 'What is not as it should be', sourceTime: 'The source says {time}; shown at the time of arrival.', curve: 'Curve around it', curveUsual: 'Grey: usually {low} to {high}.', curveLimits: 'Dashed: {names}.', curveAfter: 'The part after it comes when it has been recorded.',
    notFound: 'This event is not here.', notFoundHint: 'It may lie outside your scope, or the link is damaged.', failed: 'The event could not be loaded: {detail}', twice: 'This id was used {n} times with different content. Shown is the first.',
    text: 'Signed text', showText: 'Show the signed text', hideText: 'Hide the signed text', filterFor: 'Only events with this', filterOut: 'Without events like this', late: '{d} later',
  },
  sealed: {
    title: 'Sealed', name: 'Name', open: 'Open', recorded: 'That you open it is recorded.', failed: 'It could not be opened: {detail}', sealed: 'sealed', opened: 'open',
    erased: 'erased: nobody can read it any more', erasedOn: 'erased on {time}', lost: 'can’t be read: its key is lost',
  },
  evidence: {
    title: 'Evidence', checking: 'Checking', anchored: 'Unchanged since the station signed it', consistent: 'Agrees with itself, not anchored', broken: 'Does not match its seal. Do not rely on this event.',
    anchoredBy: 'Unchanged since {name} confirmed it', otherKey: 'The station signed with a key that your trust file does not name: its key was changed, or this is not the station.', anchoredHint: 'The key is in your trust file “{name}”. A seal proves no later change, not that the station told the truth.',
    consistentHint: 'This server also gave the keys. Load a trust file with the fingerprint printed when the station was enrolled to anchor it.',
    station: 'Signed by the station’s agent', stationFact: 'Ed25519, key {key}', tree: 'Part of the sealed log', treeFact: '{hashes} hashes lead to root {root}', treeFactOne: '{hashes} hash leads to root {root}',
    cosigned: 'Log root countersigned by the server', cosignedFact: '{name}, {time}', text: 'Text shown equals the signed text', textFact: '{bytes} bytes', not: 'Not proved: {reason}',
    took: 'Checked here in {ms} ({crypto}), not by the server.', download: 'Download proof', bundle: 'Download bundle', anchoredByLedger: 'Unchanged since the station signed it; the ledger in your trust file names its key', offline: 'To check it without this server: linewatch-verify --trust FILE {file}',
    load: 'Load trust file', forget: 'Forget trust file', badTrust: 'This trust file can’t be used: {reason}.', trustLine: 'line {line}: {reason}', notKept: 'This browser keeps nothing for this page, so the trust file is not used. Allow it to store data, or check with linewatch-verify.', unavailable: 'The proof could not be loaded: {detail}', waiting: 'No proof yet: {detail}',
  },
  around: { title: 'Around it on {station}', failed: 'The neighbours could not be loaded: {detail}', alone: 'Nothing else happened on this station around that time.' },
  export: {
    csv: 'As table (CSV)', jsonl: 'As JSON lines', running: '{n} events read', done: '{n} events exported', doneCapped: 'The first {n} events exported; the filter has more. Choose a shorter time for the rest.', failed: 'Export stopped after {n} events: {detail}',
  },
  errors: { 0: 'the server does not answer', 403: 'your role does not allow it', 429: 'too many requests, wait a moment', 500: 'the server has a problem' },
}

export type Texts = typeof en
