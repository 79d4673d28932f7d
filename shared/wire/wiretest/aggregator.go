// Package wiretest has both sides of the agents' protocol as test doubles: an
// [Aggregator] that verifies and cosigns in memory and can be told to misbehave,
// and an [Agent] that makes, signs and sends logs and knows how to attack.
package wiretest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// Faults are the switches of an [Aggregator]; the zero value behaves well.
type Faults struct {
	Down         bool          // close each connection without an answer
	Delay        time.Duration // wait before each answer
	TooMany      int           // answer 429 with this Retry-After in seconds
	Unavailable  bool          // answer 503
	Busy         bool          // answer each segment busy
	KeysWanted   []string      // answer each segment keys_wanted with these ids
	WrongReceipt bool          // store, but cosign with a key nobody pinned
	StaleReceipt bool          // store, but send the receipt of the size before
	NoReceipt    bool          // store, but send no receipt
	LoseAnswer   bool          // store, then close the connection
	FewerResults bool          // leave out the last result
	Garbage      bool          // answer 200 with what is not JSON
}

// Aggregator is an aggregator in memory behind a real TLS 1.3 listener.
type Aggregator struct {
	URL string

	server *httptest.Server
	name   string
	key    ed25519.PrivateKey
	now    func() time.Time

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at each change
	faults   Faults
	logs     map[string]*storedLog
	keys     map[string][]byte // wrapped data keys by id
	statuses []wire.Status
	response wire.StatusResponse
	requests int
	refused  int // registrations under a key that is not one of the agent's
}

type storedLog struct {
	keys    []evidence.KeyRange
	reg     wire.LogRegistration
	tree    evidence.Range
	leaves  [][]byte // nil entries are lost in a hole
	history []commit
	forked  bool
}

type commit struct {
	size          uint64
	tree          evidence.Range
	note, receipt []byte
}

// NewAggregator starts an aggregator that ends with the test. Its key is made
// from the name, so two of the same name are one restored from nothing.
func NewAggregator(t testing.TB, name string) *Aggregator {
	seed := sha256.Sum256([]byte("aggregator " + name))
	a := &Aggregator{
		name: name, key: ed25519.NewKeyFromSeed(seed[:]), now: time.Now,
		changed: make(chan struct{}), logs: map[string]*storedLog{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathSegments, a.segments)
	mux.HandleFunc("POST "+wire.PathLogs, a.register)
	mux.HandleFunc("GET "+wire.PathLogs+"/{log}", a.state)
	mux.HandleFunc("POST "+wire.PathStatus, a.status)
	a.server = httptest.NewUnstartedServer(a.misbehave(mux))
	a.server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert}
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	a.URL = a.server.URL
	return a
}

// Client returns a client that trusts the aggregator's certificate.
func (a *Aggregator) Client() *http.Client { return a.server.Client() }

// Cosigner returns the key that an agent has to pin.
func (a *Aggregator) Cosigner() evidence.CosignerKey {
	return evidence.CosignerKey{Name: a.name, Key: a.key.Public().(ed25519.PublicKey)}
}

// Set puts the switches; Set(Faults{}) heals.
func (a *Aggregator) Set(f Faults) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = f
}

// Answer puts what the status call answers beside time and cosigners.
func (a *Aggregator) Answer(r wire.StatusResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.response = r
}

// Trust makes a log known with its keys, without a registration.
func (a *Aggregator) Trust(origin string, keys ...evidence.KeyRange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log(origin).keys = keys
}

// Rollback forgets everything of a log after its newest commit of at most this
// size, keys included, as an aggregator restored from an old backup does.
func (a *Aggregator) Rollback(origin string, size uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.log(origin)
	for len(l.history) > 0 && l.history[len(l.history)-1].size > size {
		l.history = l.history[:len(l.history)-1]
	}
	l.tree = evidence.Range{}
	if n := len(l.history); n > 0 {
		l.tree = l.history[n-1].tree.Clone()
	}
	l.leaves = l.leaves[:l.tree.End]
	l.keys = slices.DeleteFunc(slices.Clone(l.keys), func(k evidence.KeyRange) bool { return k.After > l.tree.End })
	if n := len(l.keys); n > 0 && l.keys[n-1].Last > l.tree.End {
		l.keys[n-1].Last = 0
	}
	a.notify()
}

// Leaves returns the leaves stored of a log; a lost one is nil.
func (a *Aggregator) Leaves(origin string) [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.log(origin).leaves)
}

// Origins returns the logs known, sorted.
func (a *Aggregator) Origins() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for o := range a.logs {
		out = append(out, o)
	}
	slices.Sort(out)
	return out
}

// Registration returns the body with which a log was registered.
func (a *Aggregator) Registration(origin string) wire.LogRegistration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log(origin).reg
}

// Receipt returns the newest receipt of a log, nil when it has none.
func (a *Aggregator) Receipt(origin string) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.log(origin).newest().receipt)
}

// Statuses returns the status calls received.
func (a *Aggregator) Statuses() []wire.Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.statuses)
}

// Requests returns how many requests came, refused ones included.
func (a *Aggregator) Requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// Refused returns how many registrations came under a key that was not one of the
// agent's: neither that of its first log nor one that a log.key leaf named.
func (a *Aggregator) Refused() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused
}

// owns tells whether a key is one of an agent's; mu is held.
func (a *Aggregator) owns(origin string, key ed25519.PublicKey) bool {
	o, err := evidence.ParseOrigin(origin)
	if err != nil {
		return false
	}
	first := true
	for other, l := range a.logs {
		of, err := evidence.ParseOrigin(other)
		if err != nil || of.Agent != o.Agent || len(l.keys) == 0 {
			continue
		}
		first = false
		if slices.ContainsFunc(l.keys, func(k evidence.KeyRange) bool { return key.Equal(k.Key) }) {
			return true
		}
	}
	return first
}

// Wait blocks until the condition holds, which is looked at after each change,
// or fails the test after ten seconds.
func (a *Aggregator) Wait(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for {
		a.mu.Lock()
		changed := a.changed
		a.mu.Unlock()
		if condition() {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// WaitSize blocks until a log has at least this size.
func (a *Aggregator) WaitSize(t testing.TB, origin string, size uint64) {
	t.Helper()
	a.Wait(t, origin+" of size "+strconv.FormatUint(size, 10), func() bool {
		return uint64(len(a.Leaves(origin))) >= size
	})
}

// notify wakes Wait; mu is held.
func (a *Aggregator) notify() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// log returns a log, known or not; mu is held.
func (a *Aggregator) log(origin string) *storedLog {
	l := a.logs[origin]
	if l == nil {
		l = &storedLog{}
		a.logs[origin] = l
	}
	return l
}

func (l *storedLog) newest() commit {
	if len(l.history) == 0 {
		return commit{}
	}
	return l.history[len(l.history)-1]
}

func (a *Aggregator) misbehave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.requests++
		f := a.faults
		a.notify()
		a.mu.Unlock()
		if f.Delay > 0 {
			timer := time.NewTimer(f.Delay)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case f.Down:
			panic(http.ErrAbortHandler)
		case f.TooMany > 0:
			w.Header().Set("Retry-After", strconv.Itoa(f.TooMany))
			problem(w, http.StatusTooManyRequests, "too many requests")
		case f.Unavailable:
			problem(w, http.StatusServiceUnavailable, "not now")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (a *Aggregator) register(w http.ResponseWriter, r *http.Request) {
	var reg wire.LogRegistration
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, wire.MaxHeader)).Decode(&reg); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	pub, err1 := base64.StdEncoding.DecodeString(reg.PublicKey)
	proof, err2 := base64.StdEncoding.DecodeString(reg.Proof)
	if err1 != nil || err2 != nil || len(pub) != ed25519.PublicKeySize ||
		!ed25519.Verify(pub, []byte(wire.LogProofPrefix+reg.Origin), proof) {
		problem(w, http.StatusForbidden, "proof of key does not verify")
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.owns(reg.Origin, pub) {
		a.refused++
		problem(w, http.StatusForbidden, "the key is not one of the agent's")
		return
	}
	l := a.log(reg.Origin)
	if len(l.keys) == 0 {
		l.keys, l.reg = []evidence.KeyRange{{Key: pub}}, reg
	}
	a.notify()
	reply(w, l.state(reg.Origin))
}

func (a *Aggregator) state(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for origin, l := range a.logs {
		if o, err := evidence.ParseOrigin(origin); err == nil && o.Log == r.PathValue("log") && len(l.keys) > 0 {
			reply(w, l.state(origin))
			return
		}
	}
	problem(w, http.StatusNotFound, "no such log")
}

func (l *storedLog) state(origin string) wire.LogState {
	root, _ := l.tree.Root()
	s := wire.LogState{Origin: origin, Size: l.tree.End, Root: root.String(), Receipt: string(l.newest().receipt), State: "active"}
	if l.forked {
		s.State = "forked"
	}
	return s
}

func (a *Aggregator) status(w http.ResponseWriter, r *http.Request) {
	var s wire.Status
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, wire.MaxHeader)).Decode(&s); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.statuses = append(a.statuses, s)
	a.notify()
	answer := a.response
	answer.Time = a.now()
	answer.Cosigners = append([]wire.Cosigner{{
		Name: a.name, Key: base64.StdEncoding.EncodeToString(a.key.Public().(ed25519.PublicKey)),
	}}, answer.Cosigners...)
	reply(w, answer)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Title: http.StatusText(status), Status: status, Detail: detail})
}
