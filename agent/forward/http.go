package forward

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/linewatch/linewatch/shared/wire"
)

// Limits of answers and of the patience that an aggregator may ask for.
const (
	maxAnswer = 8 << 20
	maxRetry  = 5 * time.Minute
)

// statusError is an answer that is not 200.
type statusError struct {
	status int
	detail string
	retry  time.Duration // Retry-After, 0 without one
}

func (e *statusError) Error() string {
	return fmt.Sprintf("aggregator answers %d: %s", e.status, e.detail)
}

// call sends JSON and reads JSON.
func (f *Forwarder) call(ctx context.Context, method, url string, body, out any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return f.send(ctx, method, url, "application/json", text, out)
}

// send makes one request, bounded in time and in the size of the answer.
func (f *Forwarder) send(ctx context.Context, method, url, kind string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", kind)
	}
	res, err := f.o.Client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, req.URL.Path, err)
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated {
		return &statusError{status: res.StatusCode, detail: detail(text), retry: retryAfter(res, f.o.Now())}
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: answer is not what it should be: %w", method, req.URL.Path, err)
	}
	return nil
}

func detail(text []byte) string {
	var p wire.Problem
	if json.Unmarshal(text, &p) == nil && p.Title != "" {
		return strings.TrimSpace(p.Title + " " + p.Detail)
	}
	return fmt.Sprintf("%.100q", text)
}

// retryAfter reads the header in seconds or as a date.
func retryAfter(res *http.Response, now time.Time) time.Duration {
	v := res.Header.Get("Retry-After")
	if v == "" {
		return 0
	}
	d := time.Duration(0)
	if s, err := strconv.Atoi(v); err == nil {
		d = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetry)
}

// hasStatus says whether an error is an answer with this status.
func hasStatus(err error, status int) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.status == status
}
