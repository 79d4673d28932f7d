package event

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzPlainBase64: the quick look never calls good what the decoder refuses.
func FuzzPlainBase64(f *testing.F) {
	for _, s := range []string{"", "A", "AAAA", "AQ==", "AR==", "AAE=", "AAF=", "A===", "====", "AA=A", "AAAAAA==", "AA\r\nAA", "+/+/", "-_-_", "AAAA===="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := base64.StdEncoding.Strict().DecodeString(s)
		if good := s != "" && err == nil; plainBase64(s) && !good || good && !plainBase64(s) && !strings.ContainsAny(s, "\r\n") {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

func TestATimeIsWrittenAsTheLibraryDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	zone := time.FixedZone("", -7*3600)
	for range 20_000 {
		at := time.Date(minYear, 1, 2, 0, 0, random.IntN(229*365*86400), []int{0, 1, 100, 999_999_999, 120_000_000, random.IntN(1e9)}[random.IntN(6)], zone)
		require.Equal(t, at.UTC().Format("2006-01-02T15:04:05.999999999Z"), string(appendTime(nil, at)))
	}
}

func TestAKeyUsedTwiceIsFoundHoweverManyAreOpen(t *testing.T) {
	for _, outer := range []int{1, keyRoom - 1, keyRoom, keyRoom + 1, 3 * keyRoom} {
		for _, inner := range []int{1, 2, keyRoom} {
			object := func(name string, n int, last string) string {
				var b strings.Builder
				for i := range n {
					fmt.Fprintf(&b, `"%s%d":%d,`, name, i, i)
				}
				return "{" + b.String() + last + "}"
			}
			good := object("a", outer, `"in":`+object("b", inner, `"c":{}`)+`,"z":1`)
			require.NoError(t, Check([]byte(good)), good)
			for _, bad := range []string{
				object("a", outer, `"in":`+object("b", inner, `"b0":{}`)+`,"z":1`),
				object("a", outer, `"in":`+object("b", inner, `"c":{}`)+`,"in":1`),
				object("a", outer, `"in":`+object("b", inner, `"c":{}`)+`,"a0":1`),
			} {
				require.ErrorContains(t, Check([]byte(bad)), "key used twice", bad)
			}
		}
	}
}

func TestWhatIsWrongWithASealedFieldIsNamedByItsPath(t *testing.T) {
	for in, want := range map[string]string{
		`{"p":1}`: "sealed.p: not an object", `{"":{"key":"x"}}`: "sealed..key: not 64 hex digits",
		`{"a.b":{"text":"?"}}`: "sealed.a.b.text: not base64", `{"a":{}}`: "sealed.a: key or text missing",
		`{"a":{"no":{"x":1}}}`: "sealed.a.no: unknown key", `[]`: "sealed: not an object",
	} {
		_, problems, err := Parse([]byte(`{"sealed":` + in + `}`))
		require.NoError(t, err)
		require.Equal(t, want, problems[0].Field+": "+problems[0].Reason, in)
	}
}
