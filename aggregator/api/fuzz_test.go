package api

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/aggregator/rights"
	"github.com/linewatch/linewatch/shared/event"
)

func FuzzWhatAProgramHandsInBecomesALeafOrAnError(f *testing.F) {
	for _, seed := range []string{
		`{"id":"uuid","eventType":"user.login","eventData":{"userId":"user123","success":true},"context":{"correlationId":"r","timestamp":"2025-08-28T13:30:00Z"},"metadata":{"severity":"info","source":"s","version":"1"}}`,
		`{"eventType":"x.a.b","eventData":7,"extra":{"a":[1]},"station":"hamburg/x","timestamp":"2025-08-28T13:30:00Z"}`,
		`{"eventType":"x.a.b","eventData":{"userId":{"a":1}},"context":{"userId":4711},"metadata":{"severity":3,"source":null}}`,
		`[]`, `null`, `{"eventType":"log.opened"}`, `{"eventType":"x.a.b","context":[],"metadata":"m","eventData":null}`,
	} {
		f.Add([]byte(seed))
	}
	s := &Server{Options: Options{Pseudonym: func(context.Context, string) string { return "p-" + strings.Repeat("0", 32) }}}
	who := rights.Principal{Name: "test", Scope: []string{"**"}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, _, err := s.lift(t.Context(), raw, who)
		if err != nil {
			return
		}
		require.NoError(t, probe(e))
		require.True(t, json.Valid(e.Data), "%s", e.Data)
		require.False(t, reserved(e.Type))
		require.True(t, event.ValidID(e.ID))
		var data map[string]any
		if json.Unmarshal(e.Data, &data) == nil && data["userId"] != nil {
			require.IsType(t, "", data["userId"], "%s", e.Data)
		}
	})
}

func FuzzCursorsOfStrangersAreRefusedOrRead(f *testing.F) {
	for _, seed := range []string{"", ".", "x", "m1abc.QUJD", "-1.x", "zzzzzzzzzzzzzzzz.x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		now, cursor, err := openNext(text)
		if err != nil || text == "" {
			return
		}
		require.NotEmpty(t, cursor)
		again, same, err := openNext(sealNext(now, cursor))
		require.NoError(t, err)
		require.Equal(t, cursor, same)
		require.True(t, now.Equal(again))
	})
}
