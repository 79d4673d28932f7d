package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/linewatch/linewatch/shared/evidence"
)

// ServeHTTP answers add-checkpoint as C2SP tlog-witness asks: 200 with the line;
// 400 for what can't be read, 403 unsigned, 404 unknown log, 409 with the size that
// the witness knows, 422 for a checkpoint that does not extend it. Beyond the
// standard GET ?origin= answers with what Shown returns, 404 for nothing.
func (w *Witness) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	if origin := req.URL.Query().Get("origin"); req.Method == http.MethodGet && origin != "" {
		w.serveShown(rw, origin)
		return
	}
	if req.Method != http.MethodPost {
		rw.Header().Set("Allow", http.MethodPost)
		http.Error(rw, "post a checkpoint here", http.StatusMethodNotAllowed)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(rw, req.Body, MaxRequest+1))
	if err != nil {
		http.Error(rw, "the request is too long or was cut off", http.StatusBadRequest)
		return
	}
	r, err := ParseRequest(text)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	line, err := w.Add(r)
	if conflict, ok := errors.AsType[*ConflictError](err); ok {
		rw.Header().Set("Content-Type", SizeType)
		rw.WriteHeader(http.StatusConflict)
		fmt.Fprintf(rw, "%d\n", conflict.Size)
		return
	}
	if err != nil {
		http.Error(rw, err.Error(), statusOf(err))
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = rw.Write(line)
}

func (w *Witness) serveShown(rw http.ResponseWriter, origin string) {
	note := w.Shown(origin)
	if note == nil {
		http.Error(rw, "nothing of this log was cosigned here, or not by this version", http.StatusNotFound)
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = rw.Write(note)
}

func statusOf(err error) int {
	for reason, status := range map[error]int{
		ErrRequest: http.StatusBadRequest, ErrOld: http.StatusBadRequest, ErrUnknown: http.StatusNotFound,
		ErrUnsigned: http.StatusForbidden, ErrProof: http.StatusUnprocessableEntity,
	} {
		if errors.Is(err, reason) {
			return status
		}
	}
	return http.StatusInternalServerError
}

// maxAnswer bounds what a client reads of a witness's answer.
const maxAnswer = 16 << 10

// Client asks one witness.
type Client struct {
	HTTP   *http.Client
	Prefix string // URL before /add-checkpoint
	By     evidence.CosignerKey
}

// Add sends a request and returns the checkpoint with one line of the witness behind
// those that it has. A [*ConflictError] names the size that the witness knows. An
// answer that is not a good cosignature of this witness is an error.
func (c *Client) Add(ctx context.Context, r Request) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("witness %s: %w", c.By.Name, err) }
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.Prefix, "/")+Path, bytes.NewReader(r.Text()))
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fail(err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusConflict:
		return fail(conflictOf(r, body))
	case http.StatusUnprocessableEntity:
		return fail(fmt.Errorf("%w: %s", ErrProof, clip(body)))
	default:
		return fail(fmt.Errorf("answers %s: %s", resp.Status, clip(body)))
	}
	peek, err := evidence.PeekCheckpoint(r.Checkpoint)
	if err != nil {
		return fail(err)
	}
	line, err := c.line(peek, body)
	if err != nil {
		return fail(err)
	}
	return slices.Concat(r.Checkpoint, line), nil
}

// line is the first line of an answer that is a good cosignature of this witness.
// What else stands there is dropped: it must not fill the note for other witnesses.
func (c *Client) line(checkpoint evidence.Checkpoint, answer []byte) ([]byte, error) {
	for line := range bytes.Lines(answer) {
		note := slices.Concat(checkpoint.Body(), []byte("\n"), line)
		if _, _, _, err := evidence.VerifyCosigned(note, checkpoint.Origin, []evidence.CosignerKey{c.By}); err == nil {
			return line, nil
		}
	}
	return nil, fmt.Errorf("answers %s: %w", clip(answer), evidence.ErrCosignature)
}

// Shown asks a witness for the newest checkpoint that it cosigned of a log, as the
// log's key signed it; one that the keys given did not sign is an error. Only
// witnesses of this program answer; others leave a conflict without this proof.
func (c *Client) Shown(ctx context.Context, origin string, keys []evidence.KeyRange) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("witness %s: %w", c.By.Name, err) }
	where := strings.TrimSuffix(c.Prefix, "/") + Path + "?" + url.Values{"origin": {origin}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return fail(err)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fail(err)
	}
	if resp.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("answers %s: %s", resp.Status, clip(body)))
	}
	note, err := evidence.Canonical(body, origin, keys)
	if err != nil {
		return fail(err)
	}
	return note, nil
}

func conflictOf(r Request, body []byte) error {
	size, err := strconv.ParseUint(strings.TrimSuffix(string(body), "\n"), 10, 63)
	if err != nil {
		return fmt.Errorf("answers a conflict without a size: %s", clip(body))
	}
	return &ConflictError{Size: size, Fork: size == r.Old}
}

// clip bounds foreign text in an error.
func clip(text []byte) string {
	return strconv.Quote(string(text[:min(len(text), 200)]))
}
