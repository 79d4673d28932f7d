package pipeline

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

// faults is what is remembered of a fault word: the bits, and since when each is
// set (Unix ms of the source).
type faults struct {
	Word  uint64           `json:"w"`
	Since map[string]int64 `json:"t,omitempty"`
}

// bits makes an event of each bit that comes or goes.
func (k *sink) bits(b *builder, r *source.Reading) {
	if bad(r.Quality) && r.Value == nil {
		return
	}
	word, ok := wordOf(r.Value)
	if !ok {
		b.quarantine(r, r.Point.Event, fmt.Sprintf("a fault word must be an integer, not %T", r.Value), nil)
		return
	}
	key := k.key(r.Point)
	var old faults
	if raw, whole, ok := k.mem.get(key); ok && whole {
		if err := json.Unmarshal(raw, &old); err != nil {
			old = faults{} // damaged: every set bit counts as new
		}
	} else if ok { // too many bits to keep their times
		old = faults{}
	}
	now := faults{Word: word, Since: map[string]int64{}}
	first := b.begin(r, r.Point.Event)
	at := first.ev.Timestamp.UnixMilli()
	for bit := range 64 {
		name := strconv.Itoa(bit)
		was, is := old.Word>>bit&1 == 1, word>>bit&1 == 1
		since, known := old.Since[name]
		if is && !was {
			since, known = at, true
		}
		if is && known {
			now.Since[name] = since
		}
		if was != is {
			k.bit(b, r, bit, is, since, known)
		}
	}
	raw, err := json.Marshal(now)
	if err != nil || len(raw) > maxKeptValue {
		raw = fmt.Appendf(nil, `{"w":%d}`, word)
	}
	if !k.mem.same(key, raw) {
		k.mem.put(key, raw)
	}
}

// bit makes the event of one bit.
func (k *sink) bit(b *builder, r *source.Reading, bit int, active bool, since int64, known bool) {
	d := b.begin(r, r.Point.Event)
	d.weigh(r.Point)
	text := r.Point.Bits.Texts[bit]
	code := text.Code
	if code == "" {
		code = "bit " + strconv.Itoa(bit)
	}
	if severity, err := event.ParseSeverity(text.Severity); err == nil {
		d.ev.Severity = severity
	}
	data := map[string]any{"code": code, "text": text.Text, "bit": bit, "state": "active", "since": nil}
	if known {
		data["since"] = time.UnixMilli(since).UTC()
	}
	if !active {
		data["state"] = "cleared"
		d.ev.Severity = event.SeverityInfo
	}
	d.obj.values(d, data)
	d.obj.values(d, r.Fields)
	b.finish(d, r)
}

// wordOf reads a fault word; a negative number is its two's complement.
func wordOf(v any) (uint64, bool) {
	switch v := v.(type) {
	case uint64:
		return v, true
	case int64:
		if v < 0 && v >= math.MinInt32 {
			return uint64(uint32(v)), true // a signed 32-bit word
		}
		return uint64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case float64:
		if v >= 0 && v <= event.MaxInteger && v == math.Trunc(v) {
			return uint64(v), true
		}
	case json.RawMessage:
		n, err := strconv.ParseUint(string(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}
