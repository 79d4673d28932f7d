package query

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/nearest"
)

// value reads one value of a field and makes it canonical.
func (p *parser) value(field Field) (string, error) {
	from := p.i
	var text string
	if p.i < len(p.text) && p.text[p.i] == '"' {
		var err error
		if text, err = p.quoted(); err != nil {
			return "", err
		}
		if err = p.ended(","); err != nil {
			return "", err
		}
	} else {
		text = p.bare(",")
		if p.i < len(p.text) && p.text[p.i] == '"' {
			return "", p.fail(p.i, p.i+1, "a quote must stand at the start of a value", "")
		}
		if text == "" {
			return "", p.fail(from, p.i, "a value is missing after "+string(field), "")
		}
	}
	v, message, suggestion := canonical(field, text, p.now)
	if message != "" {
		return "", p.fail(from, p.i, message, suggestion)
	}
	return v, nil
}

// canonical returns the one form of a value, or what is wrong with it.
func canonical(field Field, text string, now time.Time) (value, message, suggestion string) {
	switch field {
	case Station:
		return stationValue(text)
	case Type:
		return typeValue(text)
	case Severity:
		return oneOf(text, "severity", severityNames())
	case Class:
		return oneOf(text, "class", classNames())
	case IP:
		return ipValue(text)
	case ID:
		return idValue(text)
	case Since, Until:
		return timeValue(text, now)
	case Data:
		return text, "", ""
	}
	if text == "" {
		return "", "a value is missing", ""
	}
	return text, "", ""
}

func severityNames() (names []string) {
	for _, s := range event.Severities() {
		names = append(names, s.String())
	}
	return names
}

func classNames() (names []string) {
	for _, c := range event.Classes() {
		names = append(names, string(c))
	}
	return names
}

func oneOf(text, what string, known []string) (string, string, string) {
	lower := strings.ToLower(text)
	for _, k := range known {
		if k == lower {
			return lower, "", ""
		}
	}
	return "", what + " is one of " + strings.Join(known, ", "), nearest.To(lower, known)
}

func stationValue(text string) (string, string, string) {
	lower := strings.ToLower(text)
	for i := range len(lower) {
		if c := lower[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("._-/*", c) >= 0) {
			return "", "a station has only a-z, 0-9, . _ - / and the stars", ""
		}
	}
	trimmed := strings.TrimPrefix(lower, "/")
	if trimmed == "" || strings.HasSuffix(trimmed, "/") || strings.HasPrefix(trimmed, "/") || strings.Contains(trimmed, "//") {
		suggestion := strings.Trim(lower, "/")
		for strings.Contains(suggestion, "//") {
			suggestion = strings.ReplaceAll(suggestion, "//", "/")
		}
		return "", "a segment of the station is empty", suggestion
	}
	if strings.Contains(lower, "***") {
		return "", "three stars have no meaning", strings.ReplaceAll(lower, "***", "**")
	}
	return lower, "", ""
}

func typeValue(text string) (string, string, string) {
	lower := strings.ToLower(text)
	for i := range len(lower) {
		if c := lower[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("._*", c) >= 0) {
			return "", "a type has only a-z, 0-9, _ . and the stars", ""
		}
	}
	if lower == "" || strings.HasPrefix(lower, ".") || strings.HasSuffix(lower, ".") || strings.Contains(lower, "..") {
		suggestion := ""
		if base := strings.Trim(lower, "."); base != "" && !strings.Contains(base, "..") {
			suggestion = base + ".*"
		}
		return "", "a segment of the type is empty", suggestion
	}
	if !strings.ContainsAny(lower, ".*") {
		return lower + ".**", "", "" // a group, such as type:user
	}
	return lower, "", ""
}

func ipValue(text string) (string, string, string) {
	if strings.Contains(text, "/") {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return "", "this is no prefix such as 10.0.0.0/8", ""
		}
		return prefix.Masked().String(), "", ""
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return "", "this is no IP address", ""
	}
	return addr.String(), "", ""
}

func idValue(text string) (string, string, string) {
	lower := strings.ToLower(text)
	if len(lower) != 36 {
		return "", "an id is a whole UUID", ""
	}
	for i := range len(lower) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		c := lower[i]
		if dash != (c == '-') || !dash && !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return "", "an id is a whole UUID", ""
		}
	}
	return lower, "", ""
}

const timeHelp = "a time is 30m, 2h, 3d, 1w or 2026-11-22T10:00Z"

// timeValue reads a duration back from now, a date, or a date with a time; both
// are UTC unless an offset says otherwise.
func timeValue(text string, now time.Time) (string, string, string) {
	if at, ok := ago(text, now); ok {
		return stamp(at)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.Parse(layout, strings.ToUpper(text)); err == nil {
			return stamp(at)
		}
	}
	return "", timeHelp, ""
}

func stamp(at time.Time) (string, string, string) {
	if !event.ValidTime(at) {
		return "", "years 1970 to 2199 can be searched", ""
	}
	return at.UTC().Format(time.RFC3339Nano), "", ""
}

// ago reads 90s, 30m, 2h, 3d, 1w.
func ago(text string, now time.Time) (time.Time, bool) {
	if len(text) < 2 || len(text) > 9 {
		return time.Time{}, false
	}
	unit := time.Duration(0)
	switch text[len(text)-1] | 0x20 {
	case 's':
		unit = time.Second
	case 'm':
		unit = time.Minute
	case 'h':
		unit = time.Hour
	case 'd':
		unit = 24 * time.Hour
	case 'w':
		unit = 7 * 24 * time.Hour
	default:
		return time.Time{}, false
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if err != nil || n > uint64((200*366*24*time.Hour)/unit) {
		return time.Time{}, false
	}
	return now.Add(-time.Duration(n) * unit).Truncate(time.Millisecond), true
}
