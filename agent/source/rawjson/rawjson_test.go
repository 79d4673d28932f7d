package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/source/rawjson"
	"github.com/linewatch/linewatch/shared/event"
)

func TestPathsFindWhatTheyName(t *testing.T) {
	doc := []byte(`{"a":{"b":[10,{"c":"x\"y"},[],{}]},"o k":true,"e\u0041":1,"n":null,"f":-1.5e3}`)
	for path, want := range map[string]string{
		"$": string(doc), "$.a.b[0]": "10", "$.a.b[1].c": `"x\"y"`, "$.a.b[2]": "[]", "$.a.b[3]": "{}",
		"$['o k']": "true", "$.eA": "1", "$.n": "null", "$.f": "-1.5e3",
	} {
		p, err := rawjson.ParsePath(path)
		require.NoError(t, err, path)
		got, ok := p.Lookup(doc)
		require.True(t, ok, path)
		require.Equal(t, want, string(got), path)
		require.Equal(t, path, p.String())
	}
	for _, path := range []string{"$.x", "$.a.b[4]", "$.a.b.c", "$.n.x", "$.f[0]"} {
		p, err := rawjson.ParsePath(path)
		require.NoError(t, err, path)
		_, ok := p.Lookup(doc)
		require.False(t, ok, path)
	}
}

func TestPathsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, path := range []string{"", "a", "$a", "$.", "$..a", "$[", "$[x]", "$[-1]", "$['a]", "$['']", "$.a b["} {
		_, err := rawjson.ParsePath(path)
		require.Error(t, err, path)
	}
}

func TestScalarsKeepTheirKind(t *testing.T) {
	for text, want := range map[string]any{
		"12": int64(12), "-1.5": -1.5, "true": true, "false": false, "null": nil, `"é\n"`: "é\n", "1e2": 100.0,
	} {
		got, ok := rawjson.Scalar([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	_, ok := rawjson.Scalar([]byte("[1]"))
	require.False(t, ok)
}

func FuzzLookupAgreesWithTheStandardLibrary(f *testing.F) {
	f.Add(`{"a":{"b":[1,2,"x"]}}`, "a")
	f.Add(`{"é":[[],{},{"a":"\\\""}],"z":-0.1}`, "z")
	f.Fuzz(func(t *testing.T, text, key string) {
		doc, err := event.Normalize([]byte(text))
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(doc, &want) != nil {
			return
		}
		n := 0
		for k, v := range rawjson.Members(doc) {
			name, ok := rawjson.Text(k)
			if !ok || string(want[name]) != string(v) {
				t.Fatalf("member %s of %s: %s, want %s", k, doc, v, want[name])
			}
			n++
		}
		if n != len(want) {
			t.Fatalf("%d members of %s, want %d", n, doc, len(want))
		}
	})
}
