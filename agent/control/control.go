// Package control is the agent's local control channel: HTTP with JSON over a
// unix socket of mode 0600 (Linux) or a named pipe that only administrators and
// the system may open (Windows). The service holds the journal's files locked;
// status, journal and signals commands ask it here. The only things that it
// changes are the key that signs the logs and the baselines of control charts.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrNotRunning means that nobody listens: the service is not running, or runs
// with another data_dir.
var ErrNotRunning = errors.New("the agent is not running with data_dir")

// errTooLong means that the data folder's path leaves no room for a socket.
var errTooLong = errors.New("choose a shorter data_dir")

// Views are what the running agent shows. Each is called per request and returns
// a value that encoding/json can write.
type Views struct {
	Status  func(ctx context.Context) (any, error)
	Stat    func(ctx context.Context) (any, error)
	Tail    func(ctx context.Context, n int) ([]json.RawMessage, error)
	Signals func(ctx context.Context) (any, error)
	Detection
	// Verify may take long; progress is shown to who asks.
	Verify func(ctx context.Context, progress func(done, total uint64)) (any, error)
	// Heads and Segment hand out what the journal keeps, for an export. A nil
	// segment is the end of the log.
	Heads   func(ctx context.Context) (any, error)
	Segment func(ctx context.Context, log string, from uint64) (*Segment, error)
	// RotateKey changes the key that signs the logs.
	RotateKey func(ctx context.Context, reason string) (any, error)
	Baselines Baselines
}

// Segment is one segment of a log as it would be sent.
type Segment struct {
	Next   uint64 // index behind it
	Leaves uint64
	Body   []byte
}

// Headers of the answer with a segment.
const (
	nextHeader   = "Linewatch-Next"
	leavesHeader = "Linewatch-Leaves"
)

// MaxTail bounds what one request may take from the journal.
const MaxTail = 10_000

// Serve answers on the channel of dataDir until ctx ends. A channel left behind
// by a killed agent is replaced.
func Serve(ctx context.Context, dataDir string, v Views, log *slog.Logger) error {
	l, err := listen(dataDir)
	if err != nil {
		return fmt.Errorf("control: listen in %s: %w", dataDir, err)
	}
	srv := &http.Server{Handler: handler(v), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			log.Debug("control channel closed with requests open", "error", err)
		}
		<-done
		return nil
	case err := <-done:
		return fmt.Errorf("control: %w", err)
	}
}

func handler(v Views) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", view(v.Status))
	mux.HandleFunc("GET /journal/stat", view(v.Stat))
	mux.HandleFunc("GET /journal/verify", func(w http.ResponseWriter, r *http.Request) { stream(w, r, v.Verify) })
	mux.HandleFunc("GET /journal/heads", view(v.Heads))
	mux.HandleFunc("GET /journal/segment", v.segment)
	mux.HandleFunc("POST /journal/rotate-key", func(w http.ResponseWriter, r *http.Request) {
		change, err := v.RotateKey(r.Context(), r.FormValue("reason"))
		answer(w, change, err)
	})
	mux.HandleFunc("GET /signals", view(v.Signals))
	v.Baselines.serve(mux)
	v.Detection.register(mux)
	mux.HandleFunc("GET /journal/tail", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil || n < 1 || n > MaxTail {
			http.Error(w, fmt.Sprintf("n must be a number from 1 to %d", MaxTail), http.StatusBadRequest)
			return
		}
		leaves, err := v.Tail(r.Context(), n)
		answer(w, leaves, err)
	})
	return mux
}

func view(f func(context.Context) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r.Context())
		answer(w, v, err)
	}
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the reader went away: nothing to do
}

// unreachable says why nobody answers. A channel that may not be opened is no
// sign that the agent is stopped.
func unreachable(err error, dataDir string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control: %w: run as root or administrator", err)
	case errors.Is(err, errTooLong):
		return fmt.Errorf("%w %s, or can't be asked: %w", ErrNotRunning, dataDir, err)
	}
	return fmt.Errorf("%w %s; linewatch-agent start starts it", ErrNotRunning, dataDir)
}

// Get asks the running agent; path is one of /status, /journal/stat,
// /journal/tail, /journal/heads, /signals. It returns ErrNotRunning when nobody
// listens.
func Get(ctx context.Context, dataDir, path string, query url.Values, into any) error {
	return call(ctx, http.MethodGet, dataDir, path, query, decodeInto(path, into))
}

// Post is Get for what changes something: /journal/rotate-key.
func Post(ctx context.Context, dataDir, path string, query url.Values, into any) error {
	return call(ctx, http.MethodPost, dataDir, path, query, decodeInto(path, into))
}

func decodeInto(path string, into any) func(*http.Response) error {
	return func(res *http.Response) error {
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			return fmt.Errorf("control: answer of %s: %w", path, err)
		}
		return nil
	}
}

// call sends one request and hands a good answer to read.
func call(ctx context.Context, method, dataDir, path string, query url.Values, read func(*http.Response) error) error {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := dial(ctx, dataDir)
			return c, unreachable(err, dataDir)
		},
		DisableKeepAlives: true,
	}}
	u := url.URL{Scheme: "http", Host: "agent", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	res, err := client.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the address of the request means nothing to people
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		if text = bytes.TrimSpace(text); len(text) == 0 {
			text = []byte(res.Status)
		}
		return fmt.Errorf("the agent answers: %s", text)
	}
	return read(res)
}
