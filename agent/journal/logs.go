package journal

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/wire"
)

// logState is one Merkle log as it stands on disk.
type logState struct {
	id    string
	class event.Class
	rec   logRecord

	size   uint64
	front  evidence.Range // [0, size)
	note   []byte         // checkpoint of size
	signer *evidence.Signer

	receipt receipt
	ranges  packer // commits of the live file
	whole   bool   // ranges holds all commits of the live file
	since   int64  // leaf bytes since the last frontier on disk

	copyDue  bool   // a successor whose copies are not complete: nothing else may come first
	restored uint64 // receipt size at which log.restored was raised
}

// receipt is the newest cosigned note.
type receipt struct {
	size  uint64
	note  []byte
	dirty bool   // not on disk yet
	saved uint64 // size of the one on disk
}

// fileInfo is one file of the sequence.
type fileInfo struct {
	seq, prev uint64
	path      string
	bytes     int64
	created   time.Time
	closed    time.Time
	logs      map[string]logRecord // as the file's header has them
	bad       *badRecord           // set when the file is damaged and that was dealt with
	suspect   bool                 // damage was seen, repair is due
	missing   bool                 // the file is gone; the next one's header says that it was
}

// newLog makes the state of a log that has no leaf yet.
func (j *Journal) newLog(class event.Class, reason string) (*logState, error) {
	random := make([]byte, 32)
	rand.Read(random)
	id := evidence.NewLogID(j.pub, random)
	origin := evidence.Origin{Agent: j.opts.AgentID, Class: string(class), Log: id}
	l := &logState{id: id, class: class, whole: true}
	l.rec = logRecord{
		Origin: origin.String(), State: stateActive, Reason: reason, Opened: j.opts.Now().UTC(),
		Keys: []keyRecord{{Key: j.pub, ID: j.keyID}},
	}
	var err error
	l.rec.Frontier, err = l.front.MarshalBinary()
	if err != nil {
		return nil, err
	}
	if l.signer, err = evidence.NewSigner(l.rec.Origin, j.opts.Signer); err != nil {
		return nil, fmt.Errorf("log %s: %w", l.rec.Origin, err)
	}
	l.rec.Proof, err = j.opts.Signer.Sign(rand.Reader, []byte("linewatch log\n"+l.rec.Origin), noHash)
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", l.rec.Origin, err)
	}
	return l, nil
}

// openedData is the event_data of log.opened: the facts of the registration.
func (l *logState) openedData() map[string]any {
	data := map[string]any{
		"origin":    l.rec.Origin,
		"publicKey": base64.StdEncoding.EncodeToString(l.rec.Keys[0].Key),
		"reason":    l.rec.Reason,
		"size":      l.rec.PrevSize,
		"copies":    uint64(0),
	}
	if l.rec.Predecessor != "" {
		data["predecessor"], data["root"] = l.rec.Predecessor, l.rec.PrevRoot
	}
	if l.rec.Copies != nil {
		data["copies"] = l.rec.Copies.Count
	}
	return data
}

// keyRanges are the keys with the sizes that each signs.
func (l *logState) keyRanges() []evidence.KeyRange { return keyRangesOf(l.rec) }

func keyRangesOf(rec logRecord) []evidence.KeyRange {
	out := make([]evidence.KeyRange, len(rec.Keys))
	for i, k := range rec.Keys {
		out[i] = evidence.KeyRange{Key: ed25519.PublicKey(k.Key), After: k.After, Last: k.Last}
	}
	return out
}

// cut returns the first key change after size, ok false without one.
func (l *logState) cut(size uint64) (uint64, bool) {
	for _, k := range l.rec.Keys {
		if k.Last > size {
			return k.Last, true
		}
	}
	return 0, false
}

func (j *Journal) sortedLogs() []*logState {
	return slices.SortedFunc(maps.Values(j.logs), func(a, b *logState) int {
		return cmp.Or(a.rec.Opened.Compare(b.rec.Opened), cmp.Compare(a.id, b.id))
	})
}

// kept is the index of the first leaf of l on disk. Callers hold mu or are the writer.
func (j *Journal) kept(l *logState) uint64 {
	for _, f := range j.files {
		if rec, ok := f.logs[l.id]; ok {
			return rec.Start
		}
	}
	return l.size
}

// Registration is the body of POST /agent/v1/logs for a log, with proof of the key.
func (j *Journal) Registration(log string) (wire.LogRegistration, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	l := j.logs[log]
	if l == nil {
		return wire.LogRegistration{}, fmt.Errorf("log %s: %w", log, errAbsent)
	}
	return wire.LogRegistration{
		Origin: l.rec.Origin, PublicKey: base64.StdEncoding.EncodeToString(l.rec.Keys[0].Key),
		Predecessor: l.rec.Predecessor, Size: l.rec.PrevSize, Root: l.rec.PrevRoot,
		Reason: l.rec.Reason, At: l.rec.Opened.UTC().Format(time.RFC3339Nano),
		Proof: base64.StdEncoding.EncodeToString(l.rec.Proof),
	}, nil
}
