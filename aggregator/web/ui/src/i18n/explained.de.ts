// Warum ein Detektor etwas meldet, auf Deutsch. Die Station schreibt einen englischen
// Satz (event_data.explanation); hier steht aus denselben Feldern ein kurzer deutscher.
// Er sagt nie mehr als die Felder; der Satz der Station bleibt bei den Einzelheiten.

const marks = ' Auffälligkeit Nummer {marks.count} dieses Signals in {marks.days} Tagen.'

export const explained: Record<string, readonly string[]> = {
  'alarm.state': [
    '{?reason=suppressed by design: the line is off or in maintenance}{signal} wird nicht überwacht, solange die Linie aus oder in Wartung ist.',
    '{?condition=HeartbeatLost}{?state=active}{count} Signale liefern seit {since:t} keine Werte mehr: {signals}.',
    '{?condition=HeartbeatLost}{?state=cleared}Alle {count} Signale liefern wieder Werte, nach {activeMs:d}.',
    '{?condition=HeartbeatLost}{?state=active}{signal} liefert seit {since:t} keinen Wert; der letzte war {value:n}.',
    '{?condition=HeartbeatLost}{?state=cleared}{signal} liefert wieder Werte, nach {activeMs:d}.',
    '{?condition=Flatline}{?state=active}{signal} steht seit {since:t} auf {value:n}, länger als je zuvor oder als eingestellt.',
    '{?condition=Flatline}{?state=cleared}{signal} steht nicht mehr still, nach {activeMs:d}.',
    '{?condition=UnexpectedState}{?state=active}{signal}: {value:w}, seit {since:t}; in der Konfiguration ist das kein erwarteter Zustand.',
    '{?condition=StateTooLong}{?state=active}{signal}: {value:w}, seit {since:t}; das ist länger als eingestellt.',
    '{?condition=TooManyChanges}{?state=active}{signal} wechselt öfter als eingestellt; jetzt: {value:w}.',
    '{?alarmType=OffNormalAlarmType}{?state=cleared}{signal}: jetzt {value:w}.',
    '{?state=cleared}{?quantity=Deviation}Die Abweichung vom Sollwert liegt mit {value:n} wieder in der Grenze {limit:n}; am weitesten war sie {extreme:n}, es dauerte {activeMs:d}.',
    '{?state=cleared}{?quantity=RateOfChange}Die Änderung liegt mit {value:n} wieder in der Grenze {limit:n}; am weitesten war sie {extreme:n}, es dauerte {activeMs:d}.',
    '{?state=cleared}{signal} liegt mit {value:n} wieder in der Grenze {limit:n}; am weitesten war der Wert {extreme:n}, es dauerte {activeMs:d}.',
    '{?quantity=Deviation}Die Abweichung vom Sollwert ist {value:n}, die Grenze {limit:n}; überschritten seit {since:t}.',
    '{?quantity=RateOfChange}Die Änderung ist {value:n}, die Grenze {limit:n}; überschritten seit {since:t}.',
    '{signal} ist {value:n}, die Grenze {limit:n}; verletzt seit {since:t}. In kurzer Zeit {raises}-mal gekommen: weitere werden gezählt und nicht gemeldet.',
    '{signal} ist {value:n}, die Grenze {limit:n}; verletzt seit {since:t}.', '{signal} ist {value:n}, die Grenze {limit:n}.',
  ],
  'quality.trend': [
    'Regel: {rule:w}. Jetzt {stats.value:n}; das Mittel der Basis {stats.baseline} ist {stats.center:n}, die Eingriffsgrenzen sind {stats.low:n} und {stats.high:n}. Rein zufällig geschieht das etwa einmal in {stats.oncePerPoints} Punkten.',
  ],
  'spc.baseline': ['Mittel {center:n}, Eingriffsgrenzen {low:n} bis {high:n}, aus {subgroups} Stichproben; {outside} davon lagen außerhalb.'],
  'signal.invalid': [
    '{?state=over}{signal} liefert wieder brauchbare Werte; {count} waren nicht zu gebrauchen.',
    '{?problem=unit}{signal} kommt jetzt in {to} statt in {from}; was in der alten Einheit gelernt war, ist vergessen.',
    '{?problem=unit}{signal} kommt jetzt in einer anderen Einheit; was in der alten gelernt war, ist vergessen.',
    '{?problem=integer_too_large}{signal} lieferte {value}: ganze Zahlen über 2^53 können Detektoren und Kurven nicht unterscheiden, kleine Änderungen sehen sie nicht. Die Ereignisse behalten alle Ziffern als Text. Das wird einmal gemeldet.',
    'Ein Wert von {signal} war nicht zu gebrauchen ({problem:w}). Er wird ausgelassen, gelernt wird nichts daraus.',
  ],
  'signal.learning': [
    '{?state=learning}Es wird gelernt, was üblich ist; solange wird nichts gemeldet.', '{?state=watching}Genug gelernt: was neu ist, wird ab jetzt gemeldet.',
    '{?state=relearning}Das Signal verhält sich anders als gelernt; das Lernen beginnt neu.', '{?state=lost}Das Gelernte ist nicht mehr zu gebrauchen; das Lernen beginnt neu.',
    '{?state=reset}Das Gelernte wurde vergessen; das Lernen beginnt neu.', '{?state=paused}Überwacht wird mit dem, was bis jetzt gelernt ist.',
    '{?state=resumed}Es wird wieder gelernt.', '{?state=off}Dieses und weitere Signale werden aufgezeichnet und nicht überwacht: es sind mehr, als detection.max_signals erlaubt.',
  ],
  'signal.forecast': [
    '{?state=expected}{?cameTrue=0}{?failed=0}Jetzt {level:n}, Änderung {perHour:n} in der Stunde: die Grenze {limitValue:n} ist in {soonestMs:d} bis {latestMs:d} zu erwarten.',
    '{?state=expected}Jetzt {level:n}, Änderung {perHour:n} in der Stunde: die Grenze {limitValue:n} ist in {soonestMs:d} bis {latestMs:d} zu erwarten. Solche Vorhersagen trafen bisher {cameTrue}-mal zu und {failed}-mal nicht.',
    '{?state=reached}{afterMs:d} nach der Vorhersage ist die Grenze {limitValue:n} erreicht; erwartet war sie von {soonest:t} bis {latest:t}.',
    '{?state=withdrawn}{signal} läuft nicht mehr auf die Grenze {limitValue:n} zu.',
  ],
  'signal.counter_reset': [
    '{?reason=ran over}Der Zähler lief über: {value:n} nach {previous:n}. Differenzen über diesen Augenblick sagen nichts.',
    'Der Zähler begann neu: {value:n} nach {previous:n}. Differenzen über diesen Augenblick sagen nichts.',
  ],
  'anomaly.detected': [
    '{?persists=true}Seit {lastedMs:d} ungewöhnlich. Jetzt {value:n}, üblich sind {expected.low:n} bis {expected.high:n}.',
    '{?detector=states}{metric} ist {value}; das kam bei {window} Wechseln nie vor. Bekannt sind: {expected}.',
    `{?reasons.0.view=range}{value:n} kam noch nie vor; bisher waren es {seen.low:n} bis {seen.high:n}.${marks}`,
    `{?reasons.0.view=level}{value:n} kam in dieser Lage noch nie vor.${marks}`,
    `{?reasons.0.view=hour}Zu dieser Zeit ist {value:n} ungewöhnlich.${marks}`,
    `{?reasons.0.view=hour_mean}Zu dieser Zeit ist {value:n} im Mittel ungewöhnlich.${marks}`,
    `{?reasons.0.view=noise}Um sein Mittel schwankt es, wie es das noch nie tat; jetzt {value:n}.${marks}`,
    `{?reasons.0.view=speed}Die Änderung auf {value:n} kam so noch nie vor.${marks}`,
    `{?reasons.0.view=distance}{value:n} ist weiter vom laufenden Mittel als je zuvor.${marks}`,
    `{?reasons.0.view=situation}{value:n} kam in diesem Zustand oder mit diesem Rezept noch nie vor.${marks}`,
    `{?reasons.0.view=phase}{value:n} kam an dieser Stelle des Zyklus noch nie vor.${marks}`,
    `{?reasons.0.view=spread}Es streut, wie es das noch nie tat; jetzt {value:n}.${marks}`,
    'Jetzt {value:n}, üblich sind {expected.low:n} bis {expected.high:n}.',
  ],
  'anomaly.group': ['{?count=1}Das Signal ist schon länger ungewöhnlich. {reason:w}', '{count} Signale waren innerhalb kurzer Zeit ungewöhnlich. {reason:w}'],
  'anomaly.budget': [
    '{?refused=0}Die Schwelle ging von {previous:n} auf {threshold:n}: in der letzten Schicht mit Produktion gab es keine Meldung.',
    '{?refused=1}Die Schwelle ging von {previous:n} auf {threshold:n}: in der letzten Schicht mit Produktion war eine Meldung mehr, als ihr zusteht.',
    'Die Schwelle ging von {previous:n} auf {threshold:n}: in der letzten Schicht mit Produktion waren {refused} Meldungen mehr, als ihr zustehen.',
  ],
  'station.production': [
    '{?source=command}So hat es ein Befehl bestimmt.', '{?source=signal}So sagt es das Signal der Linie.', '{?source=calendar}So steht es im Kalender.',
  ],
  'security.violation': [
    '{?rule=first_seen_user}{subject} wurde an dieser Station noch nie gesehen.', '{?rule=first_seen_client}Das Programm {subject} wurde an dieser Station noch nie gesehen.',
    '{?rule=change_outside_window}Änderung ({evidence.eventType}) durch {subject} außerhalb der Wartungsfenster oder während der Produktion.',
    '{?rule=write_rate}{subject} hat in kurzer Zeit mehr geschrieben als erlaubt.',
    '{?rule=mode_change_unattended}Die Betriebsart wechselte von {evidence.from:w} nach {evidence.to:w}, und niemand war angemeldet.',
    '{?rule=mode_change_unattended}Die Betriebsart wechselte, und niemand war angemeldet.',
  ],
  'time.drift': ['Die Uhr von {source} geht um {offsetMs:d} anders als die dieser Station; gerechnet wird mit der Uhr der Station.'],
}
