package health

import (
	"fmt"
	"time"

	"github.com/linewatch/linewatch/agent/detect"
	"github.com/linewatch/linewatch/shared/event"
)

// Noted is the state of a finding that is told once and has no end.
const Noted = "noted"

// TooLarge reports whether a value is an integer beyond 2^53, up to which float64, in
// which detectors count, holds each one. Of floats nobody expects the last digit.
func TooLarge(raw any) bool {
	switch v := raw.(type) {
	case int64:
		return v > event.MaxInteger || v < -event.MaxInteger
	case uint64:
		return v > event.MaxInteger
	case string: // as integers beyond 2^53 are written in leaves
		return true
	}
	return false
}

// Coarse tells, once in the life of a signal, that it gave an integer beyond 2^53: what
// changes in its last digits is not seen. Raw is the value as it came.
func (b *Beat) Coarse(at time.Time, raw any) []detect.Finding {
	if b.coarse {
		return nil
	}
	b.coarse = true
	return []detect.Finding{{
		Type: event.TypeSignalInvalid, Condition: "Precision", At: at, Detector: "health",
		Data: map[string]any{
			"problem": "integer_too_large", "state": Noted, "value": fmt.Sprint(raw),
			"explanation": fmt.Sprintf("%s gave %v: integers beyond 2^53 (9007199254740992) can't be told apart by detectors and trends, small changes of it are not seen. "+
				"Its events keep all digits, as text. Watch a difference or a part of it instead. This is told once.", b.of.Name, raw),
		},
	}}
}
