package forward

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/journal"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

func newKey(t *testing.T) *seal.DataKey {
	t.Helper()
	vault, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	key, err := seal.NewDataKey(vault.Public(), seal.Label{Subject: "p-" + strings.Repeat("0a", 16), Month: "2026-11"})
	require.NoError(t, err)
	return key
}

// sealed appends a leaf with a sealed field; with keeps the key to itself when false.
func (r *rig) sealed(n int, key *seal.DataKey, with bool) {
	r.t.Helper()
	at := time.Date(2026, 11, 22, 5, 0, n, 0, time.UTC)
	e := event.Event{
		ID: event.NewID(at), Type: "user.login", Class: event.Security, Severity: event.SeverityInfo, Timestamp: at, CollectedAt: at,
		Station: "plant/line/st01", Salt: event.NewSalt(), Data: fmt.Appendf(nil, `{"n":%d}`, n),
	}
	e.Sealed = map[string]event.SealedField{"event_data.device": key.Seal(e.ID, "event_data.device", []byte(`"HMI"`))}
	text, err := e.Leaf()
	require.NoError(r.t, err)
	leaf := journal.Leaf{Class: event.Security, Bytes: text}
	if with {
		leaf.Keys = []*seal.DataKey{key}
	}
	_, err = r.j.Append(r.t.Context(), []journal.Leaf{leaf}, nil)
	require.NoError(r.t, err)
}

func (r *rig) sent() {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.j.Backlog() == 0 }, 30*time.Second, 5*time.Millisecond)
}

func TestAWrappedKeyIsSentOnceAndAgainWhenTheAggregatorWantsIt(t *testing.T) {
	r := newRig(t)
	r.start()
	key := newKey(t)
	r.sealed(1, key, true)
	r.sent()
	require.Equal(t, map[string][]byte{key.ID: key.Blob}, r.agg.Keys())
	r.sealed(2, key, true)
	r.sent()
	s := &journal.Segment{Keys: map[string][]byte{key.ID: key.Blob}, Header: wire.Header{}}
	r.f.keys(s)
	require.Empty(t, s.Header.Keys, "it is known to be there")
	r.agg.ForgetKeys() // restored from a backup
	r.sealed(3, key, true)
	r.sent()
	require.Equal(t, map[string][]byte{key.ID: key.Blob}, r.agg.Keys())
}

func TestAKeyThatIsNowhereAnyMoreIsDeclaredLostAndHoldsNothingUp(t *testing.T) {
	r := newRig(t)
	r.start()
	lost, key := newKey(t), newKey(t)
	r.sealed(1, lost, false)
	r.sealed(2, key, true)
	r.sent()
	require.Equal(t, map[string][]byte{key.ID: key.Blob}, r.agg.Keys())
}
