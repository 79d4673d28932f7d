package event

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// MaxText is the largest text of an envelope field in bytes: what fits an index
// of either database.
const MaxText = 256

// The years that the times of a leaf may have.
const (
	minYear = 1970
	maxYear = 2199
)

// NewID returns a UUID version 7 (RFC 9562) for the time t: 48 bits of
// milliseconds, the rest random. Times before 1970 count as 1970.
func NewID(t time.Time) string {
	var id [16]byte
	// Since Go 1.24 crypto/rand.Read never returns an error.
	_, _ = rand.Read(id[:])
	ms := max(t.UnixMilli(), 0)
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(ms)<<16)
	copy(id[:6], stamp[:6])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], id[0:4])
	hex.Encode(out[9:13], id[4:6])
	hex.Encode(out[14:18], id[6:8])
	hex.Encode(out[19:23], id[8:10])
	hex.Encode(out[24:36], id[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// NewSalt returns 16 random bytes for [Event.Salt].
func NewSalt() (salt [16]byte) {
	_, _ = rand.Read(salt[:])
	return salt
}

// ValidID reports whether id is a UUID of version 7 in lower-case text.
func ValidID(id string) bool {
	if len(id) != 36 || id[14] != '7' || strings.IndexByte("89ab", id[19]) < 0 {
		return false
	}
	for i := range len(id) {
		switch i {
		case 8, 13, 18, 23:
			if id[i] != '-' {
				return false
			}
		default:
			if !isLowerHex(id[i]) {
				return false
			}
		}
	}
	return true
}

func isLowerHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

// ValidStation checks an ISA-95 path: 1 to 8 segments of [a-z0-9._-]{1,40}
// between slashes.
func ValidStation(station string) error {
	if reason := stationFault(station); reason != "" {
		return fmt.Errorf("station %q: %s", station, reason)
	}
	return nil
}

// stationFault says what is wrong with a station, "" for nothing.
func stationFault(station string) string {
	segments, length := 1, 0
	for i := range len(station) {
		c := station[i]
		switch {
		case c == '/':
			if length == 0 {
				return "empty segment"
			}
			segments, length = segments+1, 0
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
			length++
		default:
			return "only a-z, 0-9, . _ - and / are allowed"
		}
		if length > 40 {
			return "a segment has more than 40 characters"
		}
		if segments > 8 {
			return "more than 8 segments"
		}
	}
	if length == 0 {
		return "empty segment"
	}
	return ""
}

// ValidType checks the form of an event type: two to four dotted segments, each
// [a-z][a-z0-9_]*; at most 128 bytes. It does not ask whether the catalogue has it.
func ValidType(name string) bool {
	if len(name) > 128 {
		return false
	}
	segments, start := 1, true
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z':
			start = false
		case !start && (c == '_' || '0' <= c && c <= '9'):
		case !start && c == '.':
			segments, start = segments+1, true
		default:
			return false
		}
	}
	return !start && 2 <= segments && segments <= 4
}

// Pseudonym returns the user_id of a person: "p-" and 32 hex digits of
// HMAC-SHA-256 over the trimmed, lower-case NFC name. The key belongs to one
// plant and year.
func Pseudonym(key []byte, name string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(FoldName(name)))
	return "p-" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// FoldName is the form in which names are compared: trimmed, in lower case, NFC.
func FoldName(name string) string {
	folded := strings.TrimSpace(name)
	if ascii(folded) {
		return strings.ToLower(folded) // what the general form gives, too
	}
	return norm.NFC.String(cases.Lower(language.Und).String(norm.NFC.String(folded)))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Clean makes any text fit the profile: invalid UTF-8 and NUL become U+FFFD. For
// texts from outside that explain something (an error, a host name); data of a
// message goes through [Normalize], which refuses instead.
func Clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Shorten returns the longest prefix of s that has at most n bytes and does not
// split a character.
func Shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// addressFault says what is wrong with a source_ip, "" for nothing.
func addressFault(s string) string {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return "no IP address"
	case a.Zone() != "":
		return "address with a zone"
	}
	return ""
}

// ValidTime reports whether a leaf can carry t: years 1970 to 2199 in UTC.
func ValidTime(t time.Time) bool {
	y := t.UTC().Year()
	return minYear <= y && y <= maxYear
}
