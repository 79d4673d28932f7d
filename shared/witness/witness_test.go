package witness_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/witness"
)

const origin = "linewatch/_aggregator/agg-1/security/0011223344556677"

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(name string) ed25519.PublicKey { return key(name).Public().(ed25519.PublicKey) }

// history is a log of which any size can be signed.
type history struct {
	t      testing.TB
	hashes []evidence.Hash
}

func newHistory(t testing.TB, name string, n int) *history {
	h := &history{t: t}
	for i := range n {
		h.hashes = append(h.hashes, evidence.LeafHash(fmt.Appendf(nil, "%s %d", name, i)))
	}
	return h
}

func (h *history) note(size uint64, signer string) []byte {
	h.t.Helper()
	r := evidence.RangeOf(0, h.hashes[:size])
	root, err := r.Root()
	require.NoError(h.t, err)
	s, err := evidence.NewSigner(origin, key(signer))
	require.NoError(h.t, err)
	note, err := s.SignCheckpoint(evidence.Checkpoint{Origin: origin, Size: size, Root: root})
	require.NoError(h.t, err)
	return note
}

func (h *history) request(old, size uint64) witness.Request {
	h.t.Helper()
	proof, err := evidence.ConsistencyProof(old, size, evidence.LeafNodes(0, h.hashes))
	require.NoError(h.t, err)
	return witness.Request{Old: old, Proof: proof, Checkpoint: h.note(size, "ledger")}
}

func follows(o string) []evidence.KeyRange {
	if o != origin {
		return nil
	}
	return []evidence.KeyRange{{Key: public("ledger")}}
}

func open(t testing.TB, file string) *witness.Witness {
	t.Helper()
	w, err := witness.New(witness.Options{Name: "w1", Key: key("w1"), File: file, Keys: follows, Now: func() time.Time { return at }})
	require.NoError(t, err)
	return w
}

func TestAWitnessCosignsWhatExtendsWhatItKnowsAndNothingElse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	w, h, other := open(t, file), newHistory(t, "a", 40), newHistory(t, "b", 40)
	for _, step := range [][2]uint64{{0, 3}, {3, 3}, {3, 8}, {8, 21}} {
		r := h.request(step[0], step[1])
		line, err := w.Add(r)
		require.NoError(t, err, step)
		_, by, when, err := evidence.VerifyCosigned(append(bytes.Clone(r.Checkpoint), line...), origin, []evidence.CosignerKey{{Name: "w1", Key: public("w1")}})
		require.NoError(t, err)
		require.Equal(t, "w1", by.Name)
		require.Equal(t, at, when)
	}
	w = open(t, file) // a restart forgets nothing
	conflict := func(r witness.Request) *witness.ConflictError {
		_, err := w.Add(r)
		var c *witness.ConflictError
		require.ErrorAs(t, err, &c)
		return c
	}
	require.Equal(t, &witness.ConflictError{Size: 21}, conflict(h.request(8, 15)), "rolled back")
	require.Equal(t, &witness.ConflictError{Size: 21}, conflict(h.request(0, 30)))
	require.Equal(t, &witness.ConflictError{Size: 21, Fork: true}, conflict(other.request(21, 21)), "another root of one size")
	_, err := w.Add(other.request(21, 30))
	require.ErrorIs(t, err, witness.ErrProof, "another history")
	_, err = w.Add(witness.Request{Old: 31, Checkpoint: h.note(30, "ledger")})
	require.ErrorIs(t, err, witness.ErrOld)
	r := h.request(21, 30)
	r.Checkpoint = h.note(30, "somebody")
	_, err = w.Add(r)
	require.ErrorIs(t, err, witness.ErrUnsigned)
	c, ok := w.Newest(origin)
	require.True(t, ok)
	require.Equal(t, uint64(21), c.Size, "refusals change nothing")
	_, err = w.Add(h.request(21, 30))
	require.NoError(t, err)
}

func TestAWitnessWithADamagedOrUnwritableMemoryDoesNotCosign(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state")
	h := newHistory(t, "a", 9)
	_, err := open(t, file).Add(h.request(0, 5))
	require.NoError(t, err)
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, bad := range [][]byte{nil, good[:len(good)-10], good[:len(good)-1], bytes.Replace(good, []byte("\n5\n"), []byte("\nx\n"), 1), []byte("nothing")} {
		require.NoError(t, os.WriteFile(file, bad, 0o600))
		_, err := witness.New(witness.Options{Name: "w1", Key: key("w1"), File: file, Keys: follows})
		require.ErrorContains(t, err, "damaged")
	}
	sub := filepath.Join(dir, "sub")
	require.NoError(t, os.Mkdir(sub, 0o700))
	w := open(t, filepath.Join(sub, "state"))
	require.NoError(t, os.RemoveAll(sub))
	_, err = w.Add(h.request(0, 5))
	require.Error(t, err, "what is not on disk is not cosigned")
	_, ok := w.Newest(origin)
	require.False(t, ok)
	keyFile := filepath.Join(dir, "key")
	require.NoError(t, witness.Fresh(keyFile, filepath.Join(dir, "none")))
	require.NoError(t, os.WriteFile(keyFile, nil, 0o600))
	require.ErrorContains(t, witness.Fresh(keyFile, filepath.Join(dir, "none")), "forgot")
	require.NoError(t, witness.Fresh(keyFile, file))
}

func TestAWitnessRemembersTheSignatureAndReadsAStateWithoutThem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	h := newHistory(t, "a", 9)
	_, err := open(t, file).Add(h.request(0, 5))
	require.NoError(t, err)
	w := open(t, file)
	require.Equal(t, h.note(5, "ledger"), w.Shown(origin))
	require.Nil(t, w.Shown("another"))
	c, ok := w.Newest(origin)
	require.True(t, ok)
	require.NoError(t, os.WriteFile(file, append([]byte("linewatch-witness-state@v1\n\n"), append(c.Body(), '\n')...), 0o600))
	w = open(t, file)
	require.Nil(t, w.Shown(origin), "version 1 had none")
	old, ok := w.Newest(origin)
	require.True(t, ok)
	require.Equal(t, c, old)
	_, err = w.Add(h.request(5, 9))
	require.NoError(t, err)
	require.Equal(t, h.note(9, "ledger"), open(t, file).Shown(origin))
}

func TestTheAnswersOverHTTPAreThoseOfTheStandard(t *testing.T) {
	w, h, other := open(t, filepath.Join(t.TempDir(), "state")), newHistory(t, "a", 40), newHistory(t, "b", 40)
	srv := httptest.NewServer(http.StripPrefix("/w", w))
	defer srv.Close()
	c := &witness.Client{HTTP: srv.Client(), Prefix: srv.URL + "/w/", By: evidence.CosignerKey{Name: "w1", Key: public("w1")}}
	note, err := c.Add(t.Context(), h.request(0, 7))
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(note, h.note(7, "ledger")))
	_, err = c.Add(t.Context(), h.request(0, 9))
	var conflict *witness.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, &witness.ConflictError{Size: 7}, conflict)
	_, err = c.Add(t.Context(), other.request(7, 7))
	require.ErrorAs(t, err, &conflict)
	require.True(t, conflict.Fork)
	post := func(text string) (int, string, string) {
		resp, err := srv.Client().Post(srv.URL+"/w"+witness.Path, "text/plain", strings.NewReader(text))
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(body)
	}
	status, kind, body := post(string(h.request(0, 9).Text()))
	require.Equal(t, []any{409, witness.SizeType, "7\n"}, []any{status, kind, body})
	for text, want := range map[string]int{
		string(other.request(7, 9).Text()):                                        422,
		string(witness.Request{Old: 8, Checkpoint: h.note(7, "ledger")}.Text()):   400,
		string(witness.Request{Old: 7, Checkpoint: h.note(9, "somebody")}.Text()): 403,
		strings.ReplaceAll(string(h.request(0, 9).Text()), "agg-1", "agg-2"):      404,
		"old 07\n\n" + string(h.note(7, "ledger")):                                400,
		"nothing":                  400,
		strings.Repeat("a", 1<<20): 400,
		"old 7\n" + strings.Repeat(evidence.EmptyRoot().String()+"\n", 64) + "\n" + string(h.note(9, "ledger")): 400,
	} {
		status, _, _ := post(text)
		require.Equal(t, want, status, "%.80q", text)
	}
	resp, err := srv.Client().Get(srv.URL + "/w" + witness.Path)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 405, resp.StatusCode)
	shown, err := c.Shown(t.Context(), origin, follows(origin))
	require.NoError(t, err)
	require.Equal(t, h.note(7, "ledger"), shown, "what it confirmed, signed by the log")
	_, err = c.Shown(t.Context(), origin, []evidence.KeyRange{{Key: public("other")}})
	require.Error(t, err, "not by a key of the log")
	_, err = c.Shown(t.Context(), strings.Replace(origin, "agg-1", "agg-2", 1), follows(origin))
	require.ErrorContains(t, err, "404")
	stranger := &witness.Client{HTTP: srv.Client(), Prefix: srv.URL + "/w", By: evidence.CosignerKey{Name: "w1", Key: public("other")}}
	_, err = stranger.Add(t.Context(), h.request(7, 9))
	require.ErrorIs(t, err, evidence.ErrCosignature, "an answer that is not that witness's")
}

func TestOfManyAtTheSameTimeNoTwoHistoriesAreCosigned(t *testing.T) {
	w := open(t, filepath.Join(t.TempDir(), "state"))
	a, b := newHistory(t, "a", 40), newHistory(t, "b", 40)
	var mu sync.Mutex
	cosigned := map[string]bool{}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			h, name := a, "a"
			if i%2 == 1 {
				h, name = b, "b"
			}
			if _, err := w.Add(h.request(0, uint64(1+i/2))); err == nil {
				mu.Lock()
				defer mu.Unlock()
				cosigned[name] = true
			}
		})
	}
	all.Wait()
	require.Len(t, cosigned, 1)
}

func FuzzParseRequest(f *testing.F) {
	h := newHistory(f, "a", 9)
	f.Add(h.request(0, 5).Text())
	f.Add(h.request(5, 9).Text())
	f.Add([]byte("old 0\n\n"))
	f.Add([]byte("old 1\nAAAA\n\nx\n1\nAAAA\n\n— a AAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := witness.ParseRequest(text)
		if err == nil && !bytes.Equal(r.Text(), text) {
			t.Fatalf("two spellings of one request: %q", text)
		}
	})
}

// A witness may answer with anything: only its own line is taken, or the note would
// have no room for those of others.
func TestOfAnAnswerOneGoodLineIsTaken(t *testing.T) {
	w, h := open(t, filepath.Join(t.TempDir(), "state")), newHistory(t, "a", 9)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		line := rec.Body.String()
		rw.WriteHeader(rec.Code)
		fmt.Fprint(rw, strings.Repeat("— w2 AAAAAAAAAAAAAAAA\n", 40)+line+line+"anything\n\n"+line)
	}))
	defer srv.Close()
	c := &witness.Client{HTTP: srv.Client(), Prefix: srv.URL, By: evidence.CosignerKey{Name: "w1", Key: public("w1")}}
	note, err := c.Add(t.Context(), h.request(0, 7))
	require.NoError(t, err)
	_, lines, err := evidence.Lines(note, follows(origin), []evidence.CosignerKey{c.By})
	require.NoError(t, err)
	require.Len(t, lines, 2, "the log's and the witness's")
	require.Equal(t, evidence.LineGood, lines[1].State)
}
