package bundle

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
)

// heir is a key that a leaf log.key of one of a station's logs named as its next.
type heir struct{ agent, key string }

// named keeps by which anchored leaf a key was named. It anchors nothing in
// another log (docs/decisions/0007), but a person shall be told of it.
func (v *Verifier) named(origin string, size uint64, key ed25519.PublicKey) {
	o, err := evidence.ParseOrigin(origin)
	h := heir{o.Agent, string(key)}
	if err == nil && v.heirs[h] == "" && len(v.heirs) < maxLogs {
		v.heirs[h] = fmt.Sprintf("leaf %d of %s", size-1, clipLong(origin))
	}
}

// hint says why a note is not anchored although the trust file names its station or
// its cosigner, and what a person can do about it.
func (v *Verifier) hint(o evidence.Origin, s signatures) string {
	var hints []string
	for _, k := range slices.Concat(v.trust.Cosigners, v.trust.Witnesses) {
		for _, line := range s.lines {
			if by(line, k) && !k.counts(line.At) {
				hints = append(hints, fmt.Sprintf("%s cosigned at %s, but the trust file takes its word until %s only",
					k.Name, line.At.Format(time.RFC3339), k.Until.Format(time.RFC3339)))
			}
		}
	}
	if _, own := o.Aggregator(); !own && len(v.trust.Stations[o.Agent]) > 0 {
		hints = append(hints, v.stationHint(o, s))
	}
	return strings.Join(hints, "; ")
}

// stationHint is for a station that the trust file names with other keys.
func (v *Verifier) stationHint(o evidence.Origin, s signatures) string {
	i := slices.IndexFunc(s.lines, func(l evidence.Line) bool { return l.State == evidence.LineGood && l.Log != nil })
	if i < 0 {
		return fmt.Sprintf("the trust file names station %s, but with no key that signed this; a proof alone brings no key that could be "+
			"compared with a fingerprint: verify the bundle of the event", o.Agent)
	}
	key := s.lines[i].Log
	fp := evidence.Fingerprint(key)
	said := ""
	if leaf := v.heirs[heir{o.Agent, string(key)}]; leaf != "" {
		said = fmt.Sprintf(", which the station itself named as its next one (log.key, %s)", leaf)
	}
	return fmt.Sprintf("signed by the key %s%s. The trust file names station %s with other keys, and a change of the key counts in the logs "+
		"that it was written to, not in logs that begin later. If the key sheet, or linewatch-agent journal stat on the station, shows "+
		"this fingerprint, add the line: station %s %s; or pin the ledger that registered the log: ledger INSTANCE KEY", fp, said, o.Agent, o.Agent, fp)
}
