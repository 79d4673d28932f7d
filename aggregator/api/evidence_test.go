package api_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/aggregatortest"
	"github.com/linewatch/linewatch/aggregator/api"
	"github.com/linewatch/linewatch/aggregator/ledger"
	"github.com/linewatch/linewatch/aggregator/store"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/evidence/bundle"
)

// proofOf fetches the proof of an event.
func proofOf(t testing.TB, r *aggregatortest.Rig, token, id string) []byte {
	t.Helper()
	status, text := r.Do(nil, "GET", "/api/v1/events/"+id+"/proof", token, nil)
	require.Equal(t, 200, status, string(text))
	return text
}

func TestAProofHoldsAgainstTheKeysOfItsLogAndTheCosigner(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	id := r.Commit(made(t, "quality.check", here, map[string]any{"ok": true}))[0]
	for range 300 { // more than one tile behind it
		r.Commit(made(t, "quality.trend", here, nil))
	}
	p, err := evidence.ParseProof(proofOf(t, r, token, id))
	require.NoError(t, err)
	var d api.EventDetail
	r.Get(token, "/api/v1/events/"+id, &d)
	require.JSONEq(t, string(d.Leaf), string(p.Leaf))
	require.Equal(t, string(r.Rows("id:" + id)[0].Leaf), string(p.Leaf), "byte for byte")
	var log api.LogInfo
	r.Get(token, "/api/v1/logs/"+d.Stored.Log, &log)
	require.NotZero(t, log.Size)
	var keys []evidence.KeyRange
	for _, k := range log.Keys {
		raw, err := base64.StdEncoding.DecodeString(k.Key)
		require.NoError(t, err)
		keys = append(keys, evidence.KeyRange{Key: ed25519.PublicKey(raw), After: k.After, Last: k.Last})
	}
	c, err := evidence.OpenCheckpoint(p.Checkpoint, log.Origin, keys)
	require.NoError(t, err)
	require.NoError(t, p.Included(c))
	raw, err := base64.StdEncoding.DecodeString(log.Cosigners[0].Key)
	require.NoError(t, err)
	_, _, _, err = evidence.VerifyCosigned(p.Checkpoint, log.Origin, []evidence.CosignerKey{{Name: log.Cosigners[0].Name, Key: raw}})
	require.NoError(t, err)
	p.Leaf[len(p.Leaf)/2] ^= 1
	require.Error(t, p.Included(c))
}

func TestAProofIsAnchoredByATrustFileAndOnlyByTheRightOne(t *testing.T) {
	r, other := aggregatortest.New(t), aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	id := r.Commit(made(t, "quality.check", here, nil))[0]
	text := proofOf(t, r, token, id)
	verdict := func(trusted *aggregatortest.Rig, text []byte) bundle.Verdict {
		var trust bundle.Trust
		if trusted != nil {
			var file bytes.Buffer
			require.NoError(t, trusted.Agg.WriteTrust(t.Context(), &file))
			var err error
			trust, err = bundle.ParseTrust(&file)
			require.NoError(t, err)
		}
		var found bundle.Finding
		v := bundle.NewVerifier(trust, func(f bundle.Finding) { found = f })
		v.Proof("proof", text)
		return found.Verdict
	}
	require.Equal(t, bundle.Anchored, verdict(r, text))
	require.Equal(t, bundle.NotAnchored, verdict(nil, text))
	require.Equal(t, bundle.NotAnchored, verdict(other, text))
	p, err := evidence.ParseProof(text)
	require.NoError(t, err)
	p.Leaf = bytes.Replace(p.Leaf, []byte("line3"), []byte("line4"), 1)
	require.Equal(t, bundle.Bad, verdict(r, p.Text()))
}

// accesses are the events that say who looked at what.
func accesses(t testing.TB, r *aggregatortest.Rig) (list []access) {
	t.Helper()
	for _, row := range r.Rows("type:audit.accessed") {
		var a access
		require.NoError(t, json.Unmarshal(row.Data, &a))
		require.Equal(t, a.UserID, row.UserID)
		list = append(list, a)
	}
	return list
}

type access struct {
	UserID  string   `json:"userId"`
	Query   []string `json:"query"`
	Records int      `json:"records"`
	Purpose string   `json:"purpose"`
	More    int      `json:"moreQueries"`
	Token   string   `json:"tokenId"`
}

func TestWhatAPersonReadsIsInTheRecordWithoutFillingIt(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"auditor"})
	c := r.SignIn("anna")
	id := r.Commit(made(t, "quality.check", here, nil))[0]
	for range 10 { // a page that refreshes itself
		status, _ := r.Do(c, "GET", ask("type:quality.check since:2h"), "", nil)
		require.Equal(t, 200, status)
	}
	r.Do(c, "GET", "/api/v1/events/"+id, "", nil)
	r.Do(c, "GET", "/api/v1/events/"+id+"/around", "", nil)
	require.Empty(t, accesses(t, r))
	status, _ := r.Do(c, "GET", "/api/v1/events/"+id+"/proof", "", nil)
	require.Equal(t, 200, status)
	list := accesses(t, r)
	require.Len(t, list, 1, "a proof is in the record at once")
	require.Equal(t, access{UserID: r.Agg.Pseudonym(t.Context(), "anna"), Query: []string{"id:" + id}, Records: 1, Purpose: "proof"}, list[0])
	status, _ = r.Do(c, "DELETE", "/api/v1/session", "", nil)
	require.Equal(t, 204, status)
	list = accesses(t, r)
	require.Len(t, list, 2, "the rest with the sign-out")
	require.Equal(t, []string{"around id:" + id, "id:" + id, "type:quality.check since:2h"}, list[0].Query)
	require.Equal(t, 11, list[0].Records)
	require.Equal(t, "review", list[0].Purpose)
}

func TestWhatWasReadIsInTheRecordWhenTheAggregatorStops(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	s, _ := dial(t, r, nil, token, nil)
	s.settled(r, "type:quality.check")
	status, _ := r.Do(nil, "GET", ask("type:quality.check"), token, nil)
	require.Equal(t, 200, status)
	s.conn.CloseNow()
	require.NoError(t, r.Stop())
	list := accesses(t, r)
	require.Len(t, list, 1)
	require.Equal(t, []string{"live stream", "type:quality.check"}, list[0].Query)
	tokens, err := r.Agg.Store.Tokens(t.Context())
	require.NoError(t, err)
	require.Equal(t, tokens[0].Hash[:16], list[0].Token, "which of several tokens of one name it was")
}

func TestAReaderCannotHideBehindHugeOrStrangeSearches(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	long := string(bytes.Repeat([]byte("ü"), 1900))
	for i := range 30 {
		status, body := r.Do(nil, "GET", ask(`"`+string(rune('a'+i%26))+long[:3000]+`"`), token, nil)
		require.Equal(t, 200, status, string(body))
	}
	for _, odd := range []string{"%00", "%ff%fe", "a%0d%0alevel%3DERROR", "%e2%80%ae"} {
		r.Do(nil, "GET", "/api/v1/events?q="+odd, token, nil)
	}
	require.NoError(t, r.Stop())
	list := accesses(t, r)
	require.Len(t, list, 1)
	require.Len(t, list[0].Query, 20)
	require.Positive(t, list[0].More)
	require.NotContains(t, r.Log.String(), "could not record")
	require.NotContains(t, r.Log.String(), "\nlevel=ERROR")
}

func TestSeeingOnesOwnAccessIsNoNewAccess(t *testing.T) {
	r := aggregatortest.New(t)
	r.User("anna", []string{"auditor"})
	origin := http.Header{"Origin": {r.People}}
	c := r.SignIn("anna")
	s, _ := dial(t, r, c, "", origin)
	cursor := s.settled(r, "type:quality.check")
	r.Do(c, "DELETE", "/api/v1/session", "", nil) // writes what was gathered
	require.Len(t, accesses(t, r), 1)
	s, _ = dial(t, r, r.SignIn("anna"), "", origin)
	s.subscribe("type:audit.accessed", cursor)
	m, err := s.next()
	require.NoError(t, err)
	require.Len(t, m.Events, 1)
	require.Equal(t, "audit.accessed", parsed(t, m.Events[0]).Type)
	s.conn.CloseNow()
	require.NoError(t, r.Stop())
	require.Len(t, accesses(t, r), 1, "or an open page would write for ever")
}

func TestTheProofOfADroppedEventSaysThatAndWhyItWasDropped(t *testing.T) {
	r := aggregatortest.New(t)
	token := r.Token([]string{"auditor"})
	id := r.Commit(made(t, "quality.check", here, nil))[0]
	row := r.Rows("id:" + id)[0]
	r.Commit(made(t, "quality.check", here, nil))
	lg, err := r.Agg.Store.Log(t.Context(), row.Log)
	require.NoError(t, err)
	tomb, err := ledger.New("retention.purged", map[string]any{
		"class": "manufacturing", "from": row.ReceivedAt.Format(time.RFC3339), "to": row.ReceivedAt.Format(time.RFC3339), "count": row.Index + 1,
		"rootHash": "", "policy": "works agreement 7", "log": lg.Origin, "first": 0, "end": row.Index + 1, "by": "anna",
	})
	require.NoError(t, err)
	drop := store.Change{Drops: []store.Drop{{Log: row.Log, First: 0, End: row.Index + 1}}}
	_, err = r.Agg.Ledger.Commit(t.Context(), drop, tomb)
	require.NoError(t, err)
	for _, query := range []string{"", "?log=" + row.Log + "&index=" + strconv.FormatUint(row.Index, 10)} {
		status, body := r.Do(nil, "GET", "/api/v1/events/"+id+"/proof"+query, token, nil)
		require.Equal(t, http.StatusGone, status, string(body))
		require.Contains(t, string(body), "works agreement 7")
		require.Equal(t, query != "", bytes.Contains(body, []byte(hex.EncodeToString(row.LeafHash[:]))), string(body))
	}
	status, _ := r.Do(nil, "GET", "/api/v1/events/00000000-0000-4000-8000-000000000000/proof", token, nil)
	require.Equal(t, http.StatusNotFound, status)
	status, _ = r.Do(nil, "GET", "/api/v1/events/"+id+"/proof", r.Token([]string{"privacy"}), nil)
	require.Equal(t, http.StatusNotFound, status, "nothing is told of a class that one may not read")
}
