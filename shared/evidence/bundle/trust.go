package bundle

import (
	"bufio"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linewatch/linewatch/shared/evidence"
)

// untilLayout is the one spelling of a time: UTC, whole seconds as in cosignatures.
const untilLayout = "2006-01-02T15:04:05Z"

const byteOrderMark = "\uFEFF"

// Limits of a trust file.
const (
	maxTrustLine  = 1024 // bytes
	maxTrustLines = 10_000
)

// Trust is what a verifier believes before it reads any evidence: keys that came
// another way, from a printed page or from the enrolment itself.
type Trust struct {
	Cosigners []Cosigner                     // whose word alone is enough
	Witnesses []Cosigner                     // who confirm that an aggregator keeps one ledger
	Quorum    int                            // witnesses, by name, that must have cosigned an aggregator's ledger
	Ledgers   map[string][]ed25519.PublicKey // keys of an aggregator's own logs, by instance
	Stations  map[string][]Pin               // by agent id
	Logs      map[string][]evidence.KeyRange // by origin
}

// Cosigner is a key of a cosigner or witness, and until when its word counts. One
// that changed its key is there with both, the older one with an end.
type Cosigner struct {
	evidence.CosignerKey
	Until time.Time // of the newest cosignature that counts; zero: there is no end
}

// counts says whether a cosignature that states this time is taken.
func (c Cosigner) counts(at time.Time) bool { return c.Until.IsZero() || at.Unix() <= c.Until.Unix() } // After is wrong for seconds near 2^63

// witnessNames counts the witnesses: one that changed its key is one.
func (t Trust) witnessNames() int {
	names := map[string]bool{}
	for _, w := range t.Witnesses {
		names[w.Name] = true
	}
	return len(names)
}

// Pin names a station's public key, by itself or by its fingerprint.
type Pin struct {
	Key         ed25519.PublicKey // nil when only the fingerprint is known
	Fingerprint string            // hex of SHA-256 of the key
}

// Empty says that nothing is trusted.
// Witnesses alone anchor nothing: they say that there is one ledger, not what is in it.
func (t Trust) Empty() bool { return len(t.Cosigners)+len(t.Ledgers)+len(t.Stations)+len(t.Logs) == 0 }

// TrustError is a mistake in a trust file, which is then not used at all.
type TrustError struct {
	Line   int // from 1
	Reason string
}

// Error names the line.
func (e *TrustError) Error() string { return fmt.Sprintf("trust file, line %d: %s", e.Line, e.Reason) }

// ParseTrust reads a trust file: UTF-8 text, one statement a line, words separated
// by blanks and tabs; empty lines and lines that begin with # are skipped, and so are
// a byte order mark at the beginning and a carriage return at the end of a line, as
// editors write them.
//
//	ledger <instance> <base64 of the Ed25519 key>
//	witness <name> <base64 of the Ed25519 key> [until <time>]
//	quorum <number of witnesses>
//	cosigner <name> <base64 of the Ed25519 key> [until <time>]
//	station <agent id> <base64 of the key, or 64 hex digits of its SHA-256>
//	log <origin> <base64 of the key> <after> <last>
//
// A ledger's key anchors the logs of this aggregator, and with them the keys of
// stations and logs that they register. Where witnesses are named, as many of them
// as quorum says (all without such a line) must have cosigned the ledger's
// checkpoint. A cosigner's word alone is enough for anything that it cosigned. After
// "until" (RFC 3339, UTC, whole seconds) a cosignature that states a later time
// counts nothing: a key that was revoked or replaced then. A witness or cosigner may
// have several lines, each with another key; it counts once.
//
// A station's key may sign every size of each of its logs, until a log says with a
// leaf log.key that another one follows. A log line pins a key to the sizes after
// < size ≤ last (last 0: open end), and nothing else may sign that log.
func ParseTrust(r io.Reader) (Trust, error) {
	t := Trust{Ledgers: map[string][]ed25519.PublicKey{}, Stations: map[string][]Pin{}, Logs: map[string][]evidence.KeyRange{}}
	text := bufio.NewReader(r)
	if mark, err := text.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		_, _ = text.Discard(len(mark))
	}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, maxTrustLine)
	n := 0
	for lines.Scan() {
		if n++; n > maxTrustLines {
			return Trust{}, &TrustError{n, "too many lines"}
		}
		if !utf8.Valid(lines.Bytes()) {
			return Trust{}, &TrustError{n, "is not UTF-8"}
		}
		words := strings.FieldsFunc(lines.Text(), func(c rune) bool { return c == ' ' || c == '\t' })
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := t.add(words); err != nil {
			return Trust{}, &TrustError{n, err.Error()}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return Trust{}, &TrustError{n + 1, "line is too long"}
	}
	if err := lines.Err(); err != nil {
		return Trust{}, fmt.Errorf("trust file: %w", err)
	}
	named := t.witnessNames()
	if t.Quorum == 0 {
		t.Quorum = named
	}
	if t.Quorum > named {
		return Trust{}, &TrustError{n, fmt.Sprintf("quorum %d, but only %d witnesses are named", t.Quorum, named)}
	}
	return t, nil
}

func (t *Trust) add(words []string) error {
	switch {
	case words[0] == "cosigner" && (len(words) == 3 || len(words) == 5):
		return t.addCosigner(words[1:])
	case words[0] == "witness" && (len(words) == 3 || len(words) == 5):
		return t.addWitness(words[1:])
	case words[0] == "quorum" && len(words) == 2:
		n, ok := decimal(words[1])
		if !ok || n == 0 || n > maxTrustLines || t.Quorum != 0 {
			return fmt.Errorf("%q is no number of witnesses, or a second one", clip(words[1]))
		}
		t.Quorum = int(n)
	case words[0] == "ledger" && len(words) == 3:
		if _, err := evidence.ParseOrigin("linewatch/" + evidence.AggregatorAgent + "/" + words[1] + "/c/l"); err != nil {
			return fmt.Errorf("%q is no instance of an aggregator", clip(words[1]))
		}
		key, err := evidence.ParseKey(words[2])
		if err != nil {
			return err
		}
		t.Ledgers[words[1]] = append(t.Ledgers[words[1]], key)
	case words[0] == "station" && len(words) == 3:
		o, err := evidence.ParseOrigin("linewatch/" + words[1] + "/c/l")
		if _, own := o.Aggregator(); err != nil || own {
			return fmt.Errorf("%q is no agent id", clip(words[1]))
		}
		pin, err := parsePin(words[2])
		if err != nil {
			return err
		}
		t.Stations[words[1]] = append(t.Stations[words[1]], pin)
	case words[0] == "log" && len(words) == 5:
		if _, err := evidence.ParseOrigin(words[1]); err != nil {
			return err
		}
		k, err := parseKeyRange(words[2:])
		if err != nil {
			return err
		}
		t.Logs[words[1]] = append(t.Logs[words[1]], k)
	default:
		return fmt.Errorf("%q with %d words after it; want ledger INSTANCE KEY, witness NAME KEY [until TIME], quorum NUMBER, cosigner NAME KEY [until TIME], station AGENT KEY-OR-FINGERPRINT or log ORIGIN KEY AFTER LAST",
			clip(words[0]), len(words)-1)
	}
	return nil
}

// addWitness refuses a key that is there already: one witness must not count as two.
func (t *Trust) addWitness(words []string) error {
	k, err := parseCosigner(words)
	if err != nil {
		return err
	}
	for _, w := range t.Witnesses {
		if w.Key.Equal(k.Key) {
			return fmt.Errorf("witness %s: its key is there already", clip(k.Name))
		}
	}
	t.Witnesses = append(t.Witnesses, k)
	return nil
}

// addCosigner refuses a key that is there already with another name or end: one of
// the two lines is a mistake, and the one without an end would win.
func (t *Trust) addCosigner(words []string) error {
	k, err := parseCosigner(words)
	if err != nil {
		return err
	}
	for _, c := range t.Cosigners {
		if c.Key.Equal(k.Key) && (c.Name != k.Name || !c.Until.Equal(k.Until)) {
			return fmt.Errorf("cosigner %s: its key is there already, with another name or until another time", clip(k.Name))
		}
	}
	t.Cosigners = append(t.Cosigners, k)
	return nil
}

// parseCosigner reads <name> <base64 key> [until <time>].
func parseCosigner(words []string) (Cosigner, error) {
	if !evidence.ValidName(words[0]) {
		return Cosigner{}, fmt.Errorf("%q can't be a name under a note", clip(words[0]))
	}
	key, err := evidence.ParseKey(words[1])
	if err != nil {
		return Cosigner{}, err
	}
	k := Cosigner{CosignerKey: evidence.CosignerKey{Name: words[0], Key: key}}
	if len(words) == 2 {
		return k, nil
	}
	if k.Until, err = time.Parse(untilLayout, words[3]); words[2] != "until" || err != nil || k.Until.Format(untilLayout) != words[3] || k.Until.Unix() < 0 {
		return Cosigner{}, fmt.Errorf("%q is not until and a time like 2026-01-02T03:04:05Z", clip(words[2]+" "+words[3]))
	}
	return k, nil
}

func parsePin(text string) (Pin, error) {
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == evidence.HashSize {
		return Pin{Fingerprint: strings.ToLower(text)}, nil
	}
	key, err := evidence.ParseKey(text)
	if err != nil {
		return Pin{}, fmt.Errorf("%q is neither a key nor a fingerprint", clip(text))
	}
	return Pin{Key: key, Fingerprint: evidence.Fingerprint(key)}, nil
}

// parseKeyRange reads <base64 key> <after> <last>.
func parseKeyRange(words []string) (evidence.KeyRange, error) {
	key, err := evidence.ParseKey(words[0])
	if err != nil {
		return evidence.KeyRange{}, err
	}
	after, ok1 := decimal(words[1])
	last, ok2 := decimal(words[2])
	if !ok1 || !ok2 || last != 0 && last <= after {
		return evidence.KeyRange{}, fmt.Errorf("sizes %q to %q are no range", clip(words[1]), clip(words[2]))
	}
	return evidence.KeyRange{Key: key, After: after, Last: last}, nil
}
