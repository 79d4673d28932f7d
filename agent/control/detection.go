package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/linewatch/linewatch/shared/conf"
)

// Detection is what people may tell the detectors. Each is recorded as an event
// and returns a value that encoding/json can write.
type Detection struct {
	// SetProduction sets the state of production of a station ("" = all) until a
	// time, zero for until it is taken back by state "".
	SetProduction func(ctx context.Context, station, state string, until time.Time) (any, error)
	// Learn pauses or resumes learning.
	Learn func(ctx context.Context, pause bool) (any, error)
	// Reset forgets what was learnt of the signals that match a pattern.
	Reset func(ctx context.Context, pattern string) (any, error)
}

func (d Detection) register(mux *http.ServeMux) {
	mux.HandleFunc("POST /detect/state", func(w http.ResponseWriter, r *http.Request) {
		var until time.Time
		if text := r.FormValue("for"); text != "" {
			length, err := conf.ParseDuration(text)
			if err != nil || length <= 0 {
				http.Error(w, fmt.Sprintf("%q is no duration such as 30m or 8h", text), http.StatusBadRequest)
				return
			}
			until = time.Now().Add(length)
		}
		done, err := d.SetProduction(r.Context(), r.FormValue("station"), r.FormValue("state"), until)
		answer(w, done, err)
	})
	mux.HandleFunc("POST /detect/pause", func(w http.ResponseWriter, r *http.Request) {
		done, err := d.Learn(r.Context(), true)
		answer(w, done, err)
	})
	mux.HandleFunc("POST /detect/resume", func(w http.ResponseWriter, r *http.Request) {
		done, err := d.Learn(r.Context(), false)
		answer(w, done, err)
	})
	mux.HandleFunc("POST /detect/reset", func(w http.ResponseWriter, r *http.Request) {
		pattern := r.FormValue("signal")
		if pattern == "" {
			http.Error(w, "signal is missing: a name, or a pattern such as press.*", http.StatusBadRequest)
			return
		}
		done, err := d.Reset(r.Context(), pattern)
		answer(w, done, err)
	})
}

// Command tells the detectors of the running agent something; what is state,
// pause, resume or reset. The answer is what was done. ErrNotRunning when nobody
// listens.
func Command(ctx context.Context, dataDir, what string, query url.Values) (map[string]any, error) {
	var done map[string]any
	err := Post(ctx, dataDir, "/detect/"+what, query, &done)
	return done, err
}
