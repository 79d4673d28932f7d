// Was Programme auf Englisch sagen, auf Deutsch (siehe said.ts).

import { profile } from './reasons.de'

/** Fehler in einem Filter, wie in shared/query und src/live/query.ts. */
const filter = {
  'text is too long': 'der Text ist zu lang',
  'no text has a NUL': 'ein Text hat kein NUL-Zeichen',
  'too many terms': 'zu viele Bedingungen',
  'too many values': 'zu viele Werte',
  'closing quote is missing': 'das schließende Anführungszeichen fehlt',
  'a space is missing after the quote': 'nach dem Anführungszeichen fehlt ein Leerzeichen',
  'nothing stands after the minus': 'nach dem Minus steht nichts',
  'a quote must stand at the start of a word': 'ein Anführungszeichen muss am Anfang eines Wortes stehen',
  'a quote must stand at the start of a value': 'ein Anführungszeichen muss am Anfang eines Wertes stehen',
  'a word needs letters or digits': 'ein Wort braucht Buchstaben oder Ziffern',
  'only severity can be compared; {field} takes a colon': 'vergleichen lässt sich nur severity; {field} braucht einen Doppelpunkt',
  "a time can't be excluded; turn since and until round": 'eine Zeit lässt sich nicht ausschließen; tauschen Sie since und until',
  'one value is all that fits here': 'hier passt nur ein Wert',
  'only data has fields below it': 'nur data hat Felder unter sich',
  'data needs the name of a field: data.panel': 'data braucht den Namen eines Feldes: data.panel',
  'no field is called {name}; put quotes around free words': 'kein Feld heißt {name}; setzen Sie freie Wörter in Anführungszeichen',
  'no field is called {name}': 'kein Feld heißt {name}',
  'a value is missing after {field}': 'nach {field} fehlt ein Wert',
  'a value is missing': 'ein Wert fehlt',
  'severity is one of {values}': 'severity ist eines von {values}',
  'class is one of {values}': 'class ist eines von {values}',
  'a station has only a-z, 0-9, . _ - / and the stars': 'eine Station hat nur a-z, 0-9, . _ - / und die Sterne',
  'a segment of the station is empty': 'ein Teil der Station ist leer',
  'three stars have no meaning': 'drei Sterne haben keine Bedeutung',
  'a type has only a-z, 0-9, _ . and the stars': 'ein Typ hat nur a-z, 0-9, _ . und die Sterne',
  'a segment of the type is empty': 'ein Teil des Typs ist leer',
  'this is no prefix such as 10.0.0.0/8': 'das ist kein Präfix wie 10.0.0.0/8',
  'this is no IP address': 'das ist keine IP-Adresse',
  'an id is a whole UUID': 'eine Id ist eine ganze UUID',
  'a time is 30m, 2h, 3d, 1w or 2026-11-22T10:00Z': 'eine Zeit ist 30m, 2h, 3d, 1w oder 2026-11-22T10:00Z',
  'years 1970 to 2199 can be searched': 'suchen lässt sich in den Jahren 1970 bis 2199',
}

/** Antworten des Servers, wie in aggregator/api. */
const server = {
  'sign in, or send a bearer token': 'bitte anmelden',
  'there is nothing here, or nothing that you may see': 'hier ist nichts, oder nichts, was Sie sehen dürfen',
  'the cursor belongs to another search; start from the first page': 'die Stelle gehört zu einer anderen Suche; bitte von vorn beginnen',
  'narrow the search, for example with since:2h or station:': 'die Suche dauert zu lange; bitte eingrenzen, zum Beispiel mit since:2h oder station:',
  'the request was given up': 'die Anfrage wurde aufgegeben',
  'try again; its log has the cause': 'der Server hat ein Problem; bitte noch einmal versuchen, die Ursache steht in seinem Protokoll',
  'the ledger does not take the record of it now': 'das Hauptbuch nimmt den Eintrag darüber gerade nicht an',
  'the database does not answer': 'die Datenbank antwortet nicht',
  'from must be before to, both in the years 1970 to 2199': 'der Anfang muss vor dem Ende liegen, beide in den Jahren 1970 bis 2199',
  'leaf {index} of {log} was dropped ({policy}). Its hash {hash} stays in the tree: whoever kept the leaf or a bundle can still prove it':
    'Blatt {index} von {log} wurde nach Ablauf gelöscht ({policy}). Sein Hash {hash} bleibt im Baum: wer das Blatt oder ein Bündel aufgehoben hat, kann es weiter beweisen',
  'there is no such event; events of class {class} of that time were dropped ({policy}). Their hashes and the signed tombstone stay':
    'es gibt dieses Ereignis nicht; Ereignisse der Klasse {class} aus dieser Zeit wurden nach Ablauf gelöscht ({policy}). Ihre Hashes und der signierte Vermerk bleiben',
}

/** Warum etwas geschah oder abgewiesen wurde, wie es in Ereignissen steht. */
const reasons = {
  stopped: 'angehalten', user: 'durch die Person',
  'the aggregator holds another history of this log': 'der Server hat eine andere Fassung dieses Logs',
  'the aggregator has {size} leaves, this journal only {own}: state was rolled back': 'der Server hat {size} Blätter, dieses Journal nur {own}: es kam aus einem älteren Stand',
  'the aggregator has another history of {size} leaves': 'der Server hat eine andere Fassung der {size} Blätter',
  'the aggregator lost leaves {first} to {last}, which are not kept any more': 'dem Server fehlen die Blätter {first} bis {last}, die nicht mehr aufgehoben sind',
  "{file} is damaged and can't be bridged: {error}": '{file} ist beschädigt und nicht zu überbrücken: {error}',
  'signing key changed': 'der Signierschlüssel wurde gewechselt',
  'data key lost: what it sealed stays unreadable': 'Datenschlüssel verloren: was er versiegelt hat, bleibt unlesbar',
  'the database was older than the list of destroyed keys': 'die Datenbank war älter als die Liste der vernichteten Schlüssel',
  'cloned identity': 'kopierte Identität',
  'leaf outside the profile': 'Blatt außerhalb des Profils',
  'log is not registered': 'das Log ist nicht angemeldet', checkpoint: 'der Checkpoint stimmt nicht', 'checkpoint size': 'die Größe des Checkpoints stimmt nicht', 'closed log': 'das Log ist geschlossen',
  size: 'die Größe stimmt nicht', root: 'die Wurzel stimmt nicht', hole: 'die Lücke ist nicht zu überbrücken', 'malformed segment': 'das Segment ist nicht lesbar',
  'body too large': 'die Sendung ist zu groß', 'body too slow': 'die Sendung kam zu langsam', 'malformed body': 'die Sendung ist nicht lesbar', 'identity not accepted': 'die Identität wird nicht anerkannt',
  origin: 'das Log hat einen falschen Namen', 'not the sender\'s log': 'das Log gehört nicht dem Absender',
  expired: 'abgelaufen', 'not yet valid': 'noch nicht gültig', 'application URI differs': 'die Application-URI ist eine andere', 'key size not allowed by the policy': 'die Schlüssellänge ist nicht erlaubt',
  'not an RSA key': 'kein RSA-Schlüssel', 'revocation list missing': 'die Sperrliste fehlt', 'broken chain': 'die Kette der Zertifikate ist unterbrochen', malformed: 'nicht lesbar',
  'ownership not proved': 'der Besitz des Schlüssels ist nicht bewiesen', 'answer under another policy or certificate': 'Antwort mit anderer Policy oder anderem Zertifikat',
  'the server shows another trusted certificate than before': 'der Server zeigt ein anderes vertrautes Zertifikat als vorher',
  'No alert of its own: what is known (limits, stops, failed parts, charts, forecasts) speaks for itself.': 'Keine eigene Meldung: was bekannt ist (Grenzen, Stillstände, schlechte Teile, Regelkarten, Vorhersagen), spricht für sich.',
  'No alert: one signal alone, once.': 'Keine Meldung: ein Signal allein, einmal.',
  'No alert: strength {strength} is below the threshold of {threshold} that keeps alerts rare here.': 'Keine Meldung: die Stärke {strength} liegt unter der Schwelle {threshold}, die Meldungen hier selten hält.',
  'No alert: the budget of {count} in {time} of production is used up.': 'Keine Meldung: für {time} Produktion ist das Kontingent ({count}) verbraucht.',
  'No alert: the line is off.': 'Keine Meldung: die Linie ist aus.', 'No alert: the line is in service.': 'Keine Meldung: die Linie ist in Wartung.', 'No alert: the line is in {state}.': 'Keine Meldung: Zustand der Linie {state}.',
  'No alert: the station waits ({for}).': 'Keine Meldung: die Station wartet ({for}).',
  'Alert: it lasts.': 'Meldung: es hält an.', 'Alert: together with what is known ({kind}).': 'Meldung: zusammen mit Bekanntem ({kind}).', 'Alert: {count} signals at once.': 'Meldung: {count} Signale auf einmal.',
}

/** Was an einem Ereignis nicht stimmt (metadata.problems), wie in shared/event und agent/pipeline. */
const problems = {
  missing: 'fehlt', 'unknown key': 'unbekannter Name', 'not an object': 'kein Objekt', 'not an array': 'keine Liste', 'not a text': 'kein Text', 'key or text missing': 'Schlüssel oder Text fehlt',
  'not base64 of 16 bytes': 'keine 16 Bytes in base64', 'not a positive integer': 'keine positive ganze Zahl', 'required by the catalogue, not given': 'der Katalog verlangt es, es kam nicht',
  'shortened from {bytes} bytes': 'gekürzt von {bytes} Bytes', '"{type}" is no event type': '„{type}“ ist kein Ereignistyp', 'kept as text: {why}': 'als Text behalten: {why}',
  "the station's clock says {time}": 'die Uhr der Station sagt {time}', 'the source says {time}, which no event can carry: the agent\'s time stands instead': 'die Quelle sagt {time}, was kein Ereignis tragen kann: hier steht die Zeit des Agenten',
  "the source's clock is not set: it says {time}": 'die Uhr der Quelle ist nicht gestellt: sie sagt {time}', 'the source is {time} ahead: local time sent as UTC?': 'die Quelle geht {time} vor: Ortszeit als UTC gesendet?',
  'the source is {time} ahead of the station': 'die Quelle geht {time} vor der Station', 'the source has been {time} behind for a while: local time sent as UTC?': 'die Quelle geht seit einer Weile {time} nach: Ortszeit als UTC gesendet?',
  'no pseudonym key for {plant} in {year}: the name was left out': 'kein Schlüssel für Pseudonyme von {plant} in {year}: der Name wurde weggelassen', 'map has no name for {value}': 'map hat keinen Namen für {value}',
  'nothing at {path}': 'nichts an {path}', 'no text at {path}': 'kein Text an {path}', 'no time at {path}': 'keine Zeit an {path}', 'time without a zone, taken as UTC': 'Zeit ohne Zone, als UTC genommen',
  'text cut after {bytes} bytes': 'Text nach {bytes} Bytes abgeschnitten', 'array cut after {n} elements': 'Liste nach {n} Elementen abgeschnitten', 'text with NUL or invalid UTF-8, replaced': 'Text mit NUL oder ungültigem UTF-8, ersetzt',
  'type {type} is not supported': 'der Typ {type} wird nicht unterstützt', 'structure of unknown type {id}': 'Struktur von unbekanntem Typ {id}', 'nested too deeply': 'zu tief verschachtelt',
  'refused by the database: {why}': 'von der Datenbank abgelehnt: {why}',
  'no UUID of version 7 in lower case': 'keine UUID der Version 7 in Kleinbuchstaben', 'no event type': 'kein Ereignistyp', 'unknown class': 'unbekannte Klasse', 'unknown severity': 'unbekannte Schwere',
  empty: 'leer', 'longer than 256 bytes': 'länger als 256 Bytes', 'not 64 hex digits': 'keine 64 Hexziffern', 'not base64': 'kein base64',
  'min is not base64 of float32': 'min ist kein base64 von float32', 'max is not base64 of float32': 'max ist kein base64 von float32',
}

export const table: Record<string, string> = { ...profile, ...filter, ...server, ...reasons, ...problems }
