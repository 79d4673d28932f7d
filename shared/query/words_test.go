package query_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/query"
)

// FuzzWords: the words of an event are the tokens of its texts, in lower case,
// whatever alphabet they are in.
func FuzzWords(f *testing.F) {
	for _, text := range []string{"", " ", "Press 12, OVER-temperature!", "Straße ÄÖÜ 42", "a.b/c_d", "x́y z", "\xff", strings.Repeat("word ", 3000), strings.Repeat("w", 9000) + " end"} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		data, err := json.Marshal([]string{two})
		if err != nil {
			return
		}
		texts := []string{one, "", "", ""}
		event.Texts(data, func(text string) bool { texts = append(texts, text); return true })
		var want []string
		size := 0
		for _, text := range texts {
			for _, w := range query.Tokens(text) {
				if size+len(w)+1 > 8<<10 {
					break
				}
				want = append(want, w)
				size += len(w) + min(len(want)-1, 1)
			}
		}
		got := query.Words(&event.Event{Type: one, Data: data})
		require.Equal(t, strings.Join(want, " "), got)
	})
}

// BenchmarkWords is what the free-word search costs for each event at ingest.
func BenchmarkWords(b *testing.B) {
	e := &event.Event{
		Type: "quality.check", Station: "hamburg/body/line3/st07", Equipment: "uns", Signal: "press.gap",
		Data: []byte(`{"characteristic":"gap","result":"pass","value":1.25,"by":"Camera 2","note":"within limits","panel":4711}`),
	}
	b.ReportAllocs()
	for b.Loop() {
		query.Words(e)
	}
}
