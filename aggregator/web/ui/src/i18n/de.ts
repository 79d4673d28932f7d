import type { Texts } from './en'
import { explained } from './explained.de'
import { profile, reasons } from './reasons.de'
import { table as said } from './said.de'
import { sentences, words } from './sentences.de'

export const de: Texts = {
  locale: 'de',
  name: 'Deutsch',
  sentences,
  words,
  explained,
  said,
  reasons,
  profile,
  app: { loading: 'Wird geladen', skip: 'Zur Seite springen', retry: 'Noch einmal', close: 'Schließen', cancel: 'Abbrechen', back: 'Zurück zur Liste' },
  nav: { main: 'Seiten', events: 'Ereignisse' },
  bar: {
    search: 'Ereignisse, Stationen, Personen suchen', live: 'Live', connecting: 'Verbinde', lost: 'Verbindung verloren. Neuer Versuch läuft',
    rate: '{n} Ereignisse/s', plantTime: 'Werkszeit', ownTime: 'Eigene Zeit', utc: 'UTC-Zeit', touch: 'Größere Zeilen und Knöpfe', desk: 'Dichtere Zeilen',
    dark: 'Dunkle Ansicht', light: 'Helle Ansicht', menu: 'Sie und Ihre Einstellungen', zone: 'Zeiten anzeigen in', zonePlant: 'Werkszeit',
    zoneOwn: 'Zeit dieses Rechners', zoneUtc: 'UTC', language: 'Sprache', keys: 'Tasten-Kürzel', signOut: 'Abmelden', roles: 'Rollen: {roles}',
  },
  signIn: {
    title: 'Anmelden', name: 'Name', password: 'Kennwort', submit: 'Anmelden', wrong: 'Name oder Kennwort ist falsch. Bitte beides prüfen und noch einmal versuchen.',
    slow: 'Zu viele Versuche. Bitte eine Minute warten.', unreachable: 'Der Server antwortet nicht. Bitte das Netz prüfen und noch einmal versuchen.',
    failed: 'Anmelden gescheitert: {detail}', missing: 'Bitte Name und Kennwort eingeben.', note: 'Ohne Konto hilft Ihre Verwaltung.', busy: 'Anmeldung läuft',
  },
  severity: { debug: 'Debug', info: 'Hinweis', low: 'Niedrig', medium: 'Mittel', high: 'Hoch', critical: 'Kritisch' },
  className: { security: 'Sicherheit', manufacturing: 'Fertigung', performance: 'Leistung', debug: 'Debug' },
  events: {
    title: 'Ereignisse', inView: '{n} passen', inViewCapped: 'mehr als {n} passen', range: 'Fester Zeitraum', filter: 'Ereignisse filtern',
    placeholder: 'station:line3/** severity>=medium type:quality.* -user:p-9f*', copy: 'Link kopieren', copied: 'Link kopiert', copyFailed: 'Kopieren ist hier nicht erlaubt. Der Link steht in der Adresszeile.',
    export: 'Exportieren', pause: 'Anhalten', resume: 'Weiter', space: 'Leertaste', toLive: 'Zurück zu Live', paused: 'Angehalten.', newer: '{n} neuere', newerMany: 'mehr als {n} neuere', none: 'nichts Neueres',
    time: 'Zeit', station: 'Station', what: 'Was geschah', list: 'Ereignisse, neueste zuerst', asOf: 'Verbindung verloren. Stand von {time}.',
    only: 'Nur {value}', not: 'Ohne {value}', clear: 'Filter leeren', empty: 'Kein Ereignis passt zu diesem Filter.', emptyHint: 'Filter leeren oder einen längeren Zeitraum wählen.',
    emptyAll: 'Noch keine Ereignisse.', emptyAllHint: 'Sie erscheinen, sobald ein Agent das erste sendet. Sie sehen nur Stationen Ihres Bereichs.', failed: 'Die Ereignisse konnten nicht geladen werden: {detail}',
    forbidden: 'Ihre Rolle darf keine Ereignisse lesen.', forbiddenHint: 'Wenn Sie sie brauchen, bitten Sie um die Rolle viewer oder maintenance.', more: 'Ältere Ereignisse werden geladen', end: 'Das sind alle Ereignisse dieses Filters.',
    useSuggestion: '{text} einsetzen',
  },
  chips: { label: 'Schnellfilter', urgent: 'Hoch und kritisch', quality: 'Qualität', equipment: 'Anlagen', security: 'Sicherheit', changes: 'Änderungen' },
  histogram: {
    label: 'Ereignisse über der Zeit, {from} bis {to}', drag: 'Ziehen, um einen Zeitraum zu wählen', span: 'Zeitraum', m15: '15 min', h1: '1 h', h8: '8 h', d1: '24 h', d7: '7 Tage', custom: 'Gewählter Zeitraum', any: 'Jede Zeit',
    bucket: '{time}: {n} Ereignisse', urgent: '{n} hoch oder kritisch', failed: 'Keine Zeitleiste: {detail}',
  },
  detail: {
    label: 'Ereignis', time: 'Zeit', received: 'Empfangen', station: 'Station', equipment: 'Anlage', signal: 'Signal', type: 'Typ', severity: 'Schwere', class: 'Art', person: 'Person', ip: 'Adresse', id: 'Ereignis-Id', correlation: 'Gehört zu',
    source: 'Quelle', clock: 'Uhr der Station', clockOff: 'geht um {d} falsch', data: 'Einzelheiten', context: 'Umstände', place: 'Platz im Log', placeText: 'Nummer {index} von Log {log}', origin: 'Woher es kam', problems: 'Was nicht stimmt',
    sourceTime: 'Die Quelle sagt {time}; gezeigt zur Zeit des Eingangs.', curve: 'Kurve davor und danach', curveUsual: 'Grau: gewöhnlich {low} bis {high}.', curveLimits: 'Gestrichelt: {names}.', curveAfter: 'Der Teil danach kommt, sobald er aufgezeichnet ist.', notFound: 'Dieses Ereignis ist hier nicht.', notFoundHint: 'Vielleicht liegt es außerhalb Ihres Bereichs, oder der Link ist beschädigt.',
    failed: 'Das Ereignis konnte nicht geladen werden: {detail}', twice: 'Diese Id wurde {n}-mal mit verschiedenem Inhalt benutzt. Gezeigt wird das erste.', text: 'Signierter Text', showText: 'Signierten Text zeigen', hideText: 'Signierten Text verbergen',
    filterFor: 'Nur Ereignisse mit diesem Wert', filterOut: 'Ohne Ereignisse mit diesem Wert', late: '{d} später',
  },
  sealed: {
    title: 'Versiegelt', name: 'Name', open: 'Öffnen', recorded: 'Dass Sie es öffnen, wird aufgezeichnet.', failed: 'Es konnte nicht geöffnet werden: {detail}', sealed: 'versiegelt', opened: 'offen',
    erased: 'gelöscht: niemand kann es mehr lesen', erasedOn: 'gelöscht am {time}', lost: 'nicht lesbar: der Schlüssel ist verloren',
  },
  evidence: {
    title: 'Beweis', checking: 'Wird geprüft', anchored: 'Unverändert, seit die Station es signiert hat', consistent: 'In sich stimmig, nicht verankert', broken: 'Passt nicht zu seinem Siegel. Verlassen Sie sich nicht darauf.',
    anchoredBy: 'Unverändert, seit {name} es bestätigt hat', otherKey: 'Die Station hat mit einem Schlüssel signiert, den Ihre Vertrauensdatei nicht nennt: Ihr Schlüssel wurde gewechselt, oder es ist nicht die Station.', anchoredHint: 'Der Schlüssel steht in Ihrer Vertrauensdatei „{name}“. Ein Siegel beweist, dass nichts später geändert wurde, nicht dass die Station die Wahrheit sagte.',
    consistentHint: 'Auch die Schlüssel kamen von diesem Server. Laden Sie eine Vertrauensdatei mit dem Fingerabdruck, der bei der Aufnahme der Station gedruckt wurde, um es zu verankern.',
    station: 'Vom Agenten der Station signiert', stationFact: 'Ed25519, Schlüssel {key}', tree: 'Teil des versiegelten Logs', treeFact: '{hashes} Hashes führen zur Wurzel {root}', treeFactOne: '{hashes} Hash führt zur Wurzel {root}', cosigned: 'Wurzel vom Server gegengezeichnet', cosignedFact: '{name}, {time}',
    text: 'Gezeigter Text ist der signierte Text', textFact: '{bytes} Bytes', not: 'Nicht bewiesen: {reason}', took: 'Hier geprüft in {ms} ({crypto}), nicht vom Server.', download: 'Beweis herunterladen', bundle: 'Bündel herunterladen', anchoredByLedger: 'Unverändert, seit die Station es signiert hat; das Hauptbuch in Ihrer Vertrauensdatei nennt ihren Schlüssel', offline: 'Prüfen ohne diesen Server: linewatch-verify --trust DATEI {file}',
    load: 'Vertrauensdatei laden', forget: 'Vertrauensdatei vergessen', badTrust: 'Diese Vertrauensdatei ist nicht brauchbar: {reason}.', trustLine: 'Zeile {line}: {reason}', notKept: 'Dieser Browser behält nichts für diese Seite, darum gilt die Vertrauensdatei nicht. Erlauben Sie ihm, Daten zu speichern, oder prüfen Sie mit linewatch-verify.', unavailable: 'Der Beweis konnte nicht geladen werden: {detail}', waiting: 'Noch kein Beweis: {detail}',
  },
  around: { title: 'Davor und danach an {station}', failed: 'Die Nachbarn konnten nicht geladen werden: {detail}', alone: 'Sonst geschah an dieser Station um diese Zeit nichts.' },
  export: {
    csv: 'Als Tabelle (CSV)', jsonl: 'Als JSON-Zeilen', running: '{n} Ereignisse gelesen', done: '{n} Ereignisse exportiert', doneCapped: 'Die ersten {n} Ereignisse sind exportiert; es gibt mehr. Wählen Sie für den Rest einen kürzeren Zeitraum.', failed: 'Nach {n} Ereignissen abgebrochen: {detail}',
  },
  errors: { 0: 'der Server antwortet nicht', 403: 'Ihre Rolle erlaubt es nicht', 429: 'zu viele Anfragen, bitte kurz warten', 500: 'der Server hat ein Problem' },
}
