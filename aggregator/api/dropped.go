package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

// How far an event's own time may lie from its arrival (store.Row.At).
const (
	earlier = 35 * 24 * time.Hour
	later   = 24 * time.Hour
)

// dropped answers for an event that is not there whether it was dropped in the
// open; nil when nothing says so. With log and index it is certain, by the id alone
// it is told by the time in it.
func (s *Server) dropped(ctx context.Context, who rights.Principal, in *proofInput) error {
	list, err := s.Store.Dropped(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	at, timed := idTime(in.ID)
	for _, d := range list {
		here := in.Log == d.Log && d.First <= in.Index && in.Index < d.End
		if !here && (in.Log != "" || !timed || at.Before(d.From.Add(-earlier)) || at.After(d.To.Add(later))) {
			continue
		}
		lg, err := s.Store.Log(ctx, d.Log)
		if err != nil {
			return err
		}
		if !slices.Contains(who.Classes(), lg.Class) {
			continue
		}
		policy, err := s.policy(ctx, lg.Origin, d)
		if err != nil {
			return err
		}
		p := &problem{Status: http.StatusGone, Title: "Dropped"}
		if !here {
			p.Detail = fmt.Sprintf("there is no such event; events of class %s of that time were dropped (%s). Their hashes and the signed tombstone stay", lg.Class, policy)
			return p
		}
		_, err = s.Store.Leaf(ctx, d.Log, in.Index)
		if !errors.Is(err, store.ErrDropped) {
			continue
		}
		hashes, err := s.Store.LeafHashes(ctx, d.Log, in.Index, in.Index+1)
		if err != nil {
			return err
		}
		p.Detail = fmt.Sprintf("leaf %d of %s was dropped (%s). Its hash %s stays in the tree: whoever kept the leaf or a bundle can still prove it",
			in.Index, lg.Origin, policy, hex.EncodeToString(hashes[0][:]))
		return p
	}
	return nil
}

// policy is what the newest fitting tombstone says.
func (s *Server) policy(ctx context.Context, origin string, d store.Dropped) (string, error) {
	filter := query.Query{Terms: []query.Term{{Field: query.Type, Op: query.Is, Values: []string{event.TypeRetentionPurged}}}}
	page, err := s.Store.Events(ctx, store.EventQuery{Filter: filter, Scope: []string{"**"}, Limit: maxPage})
	if err != nil {
		return "", err
	}
	for _, row := range page.Rows {
		var t struct {
			Log, Policy string
			First, End  uint64
		}
		if json.Unmarshal(row.Data, &t) == nil && t.Log == origin && t.First < d.End && d.First < t.End {
			return fmt.Sprintf("policy: %s, on %s", t.Policy, row.At.UTC().Format(time.DateOnly)), nil
		}
	}
	return "without a tombstone: run linewatch-aggregator verify", nil
}

// idTime is the time in a UUID of version 7.
func idTime(id string) (time.Time, bool) {
	digits := strings.ReplaceAll(id, "-", "")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != 16 || b[6]>>4 != 7 {
		return time.Time{}, false
	}
	var ms int64
	for _, c := range b[:6] {
		ms = ms<<8 | int64(c)
	}
	return time.UnixMilli(ms), true
}
