package wiretest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// segments answers POST /agent/v1/segments: each segment is verified in the order
// of the format's documentation and stored, or answered with the reason.
func (a *Aggregator) segments(w http.ResponseWriter, r *http.Request) {
	body := wire.NewReader(http.MaxBytesReader(w, r.Body, wire.MaxBody))
	results := []wire.Result{}
	for {
		s, err := body.Next()
		if err == io.EOF {
			break
		}
		if one, ok := errors.AsType[*wire.SegmentError](err); ok {
			results = append(results, wire.Result{Result: wire.ResultRefused, Reason: one.Error()})
			continue
		}
		if err != nil {
			problem(w, http.StatusBadRequest, err.Error())
			return
		}
		results = append(results, a.store(s))
	}
	a.mu.Lock()
	f := a.faults
	a.mu.Unlock()
	switch {
	case f.LoseAnswer:
		panic(http.ErrAbortHandler)
	case f.Garbage:
		_, _ = io.WriteString(w, "<html>It works!</html>")
		return
	case f.FewerResults && len(results) > 0:
		results = results[:len(results)-1]
	}
	reply(w, results)
}

// store takes one segment.
func (a *Aggregator) store(s *wire.Segment) wire.Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	l, known := a.logs[s.Origin]
	switch {
	case a.faults.Busy:
		return wire.Result{Result: wire.ResultBusy, RetryAfter: 1}
	case len(a.faults.KeysWanted) > 0:
		return wire.Result{Result: wire.ResultKeysWanted, Keys: a.faults.KeysWanted}
	case !known || len(l.keys) == 0:
		return wire.Result{Result: wire.ResultRefused, Reason: "log is not registered"}
	case l.forked:
		return wire.Result{Result: wire.ResultRefused, Reason: "log is quarantined"}
	}
	c, err := evidence.OpenCheckpoint([]byte(s.Checkpoint), s.Origin, l.keys)
	if err != nil {
		return wire.Result{Result: wire.ResultRefused, Reason: err.Error()}
	}
	if c.Size != s.End() {
		return wire.Result{Result: wire.ResultRefused, Reason: "checkpoint is not at the segment's end"}
	}
	if s.First > l.tree.End {
		return a.result(l, wire.ResultGap)
	}
	tree, fork, err := l.extend(s)
	if fork {
		l.forked = true
		a.notify()
		return a.result(l, wire.ResultFork)
	}
	if err != nil {
		return wire.Result{Result: wire.ResultRefused, Reason: err.Error()}
	}
	if root, err := tree.Root(); err != nil || tree.End == c.Size && root != c.Root {
		return wire.Result{Result: wire.ResultRefused, Reason: "root differs from the checkpoint"}
	}
	if wanted := a.keysWanted(s); len(wanted) > 0 {
		return wire.Result{Result: wire.ResultKeysWanted, Keys: wanted}
	}
	if tree.End > l.tree.End {
		if err := a.commit(l, s, tree); err != nil {
			return wire.Result{Result: wire.ResultRefused, Reason: err.Error()}
		}
	}
	return a.result(l, wire.ResultStored)
}

// extend compares what is stored already and returns the tree with the rest.
func (l *storedLog) extend(s *wire.Segment) (tree evidence.Range, fork bool, err error) {
	tree = l.tree.Clone()
	if s.Kind == wire.KindHole {
		hole, err := s.HoleRange()
		if err != nil || s.First != tree.End {
			return tree, false, errors.Join(err, errors.New("hole does not begin at the log's end"))
		}
		return tree, false, tree.Join(hole)
	}
	for i, leaf := range s.Leaves {
		switch at := s.First + uint64(i); {
		case at < l.tree.End && l.leaves[at] != nil && !bytes.Equal(l.leaves[at], leaf):
			return tree, true, nil
		case at >= l.tree.End:
			if err := tree.Append(evidence.LeafHash(leaf)); err != nil {
				return tree, false, err
			}
		}
	}
	return tree, false, nil
}

func (a *Aggregator) commit(l *storedLog, s *wire.Segment, tree evidence.Range) error {
	note, err := evidence.Canonical([]byte(s.Checkpoint), s.Origin, l.keys)
	if err != nil {
		return err
	}
	key := a.key
	if a.faults.WrongReceipt {
		seed := sha256.Sum256([]byte("nobody pinned this"))
		key = ed25519.NewKeyFromSeed(seed[:])
	}
	receipt, err := evidence.Cosign(note, a.name, key, a.now())
	if err != nil {
		return err
	}
	if s.Kind == wire.KindHole {
		l.leaves = append(l.leaves, make([][]byte, s.Count)...)
	} else {
		l.leaves = append(l.leaves, s.Leaves[l.tree.End-s.First:]...)
	}
	l.tree = tree
	l.obey(s)
	l.history = append(l.history, commit{size: tree.End, tree: tree.Clone(), note: note, receipt: receipt})
	a.notify()
	return nil
}

// obey follows a leaf log.key at the end of a segment: larger sizes are signed by
// the key that it names.
func (l *storedLog) obey(s *wire.Segment) {
	if len(s.Leaves) == 0 {
		return
	}
	e, _, err := event.Parse(s.Leaves[len(s.Leaves)-1])
	var data struct{ Origin, PublicKey string }
	if err != nil || e.Type != event.TypeLogKey || json.Unmarshal(e.Data, &data) != nil || data.Origin != s.Origin {
		return
	}
	if key, err := base64.StdEncoding.DecodeString(data.PublicKey); err == nil && len(key) == ed25519.PublicKeySize {
		l.keys[len(l.keys)-1].Last = s.End()
		l.keys = append(l.keys, evidence.KeyRange{Key: key, After: s.End()})
	}
}

// result answers with the newest size, root and receipt, or with the faulty ones.
func (a *Aggregator) result(l *storedLog, kind string) wire.Result {
	root, err := l.tree.Root()
	if err != nil {
		return wire.Result{Result: wire.ResultRefused, Reason: err.Error()}
	}
	r := wire.Result{Result: kind, Size: l.tree.End, Root: root.String(), Receipt: string(l.newest().receipt)}
	switch {
	case a.faults.NoReceipt:
		r.Receipt = ""
	case a.faults.StaleReceipt && len(l.history) > 1:
		r.Receipt = string(slices.Clone(l.history[len(l.history)-2].receipt))
	}
	return r
}
