package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"testing"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/evidence"
	"github.com/linewatch/linewatch/shared/seal"
)

// FuzzWrapped: a foreign blob is refused or says what it says in one spelling.
func FuzzWrapped(f *testing.F) {
	vault := private(f, seal.P256)
	k := dataKey(f, vault.Public())
	f.Add(k.Blob)
	f.Add(dataKey(f, private(f, seal.MLKEM768P256).Public()).Blob)
	f.Add([]byte("linewatch/data-key/v1\np256\n\n\n\n\n"))
	f.Fuzz(func(t *testing.T, blob []byte) {
		w, err := seal.ParseWrapped(blob)
		opened, openErr := vault.Unwrap(blob)
		if err != nil && openErr == nil {
			t.Fatal("opened what does not parse")
		}
		if err == nil && !bytes.HasPrefix(blob, []byte("linewatch/data-key/v1\n"+string(w.Suite)+"\n"+w.Recipient+"\n"+w.Label.Subject+"\n"+w.Label.Month+"\n\n")) {
			t.Fatalf("two spellings of %+v", w)
		}
		if openErr == nil && opened.ID != k.ID {
			t.Fatal("a blob that nobody wrapped opens")
		}
	})
}

// FuzzSealedText: a foreign ciphertext never opens and never panics.
func FuzzSealedText(f *testing.F) {
	k := dataKey(f, private(f, seal.P256).Public())
	good := k.Seal(eventID, "a", []byte(`"x"`)).Text
	f.Add(good)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := k.Open(eventID, "a", event.SealedField{Key: k.ID, Text: text}); err == nil && text != good {
			t.Fatal("opened a foreign text")
		}
	})
}

// FuzzDestroyed: a foreign list is refused.
func FuzzDestroyed(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	trusted := []evidence.CosignerKey{{Name: "t", Key: key.Public().(ed25519.PublicKey)}}
	list, err := seal.Destroyed{}.With([]string{seal.KeyID(nil)})
	if err != nil {
		f.Fatal(err)
	}
	note, err := list.Sign("t", key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(note)
	f.Add([]byte("linewatch/destroyed/v1\n1\n0\n\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := seal.OpenDestroyed(data, trusted)
		if err == nil && got.Hash() != list.Hash() {
			t.Fatalf("a list that nobody signed: %+v", got)
		}
	})
}

// FuzzApply: whatever the object, what comes out is JSON where JSON went in, and
// no name of the policy is left in it.
func FuzzApply(f *testing.F) {
	policy, err := seal.NewPolicy(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{`{"password":1,"a":[{"email":"x"}]}`, `{"a":{"b":"\"}"},"operator":null}`, `{`, `{"a"`, `{"a":[`, `{"a":"\`} {
		f.Add([]byte(s))
	}
	drop := func(string, string, []byte) seal.Verdict { return seal.Verdict{Drop: true} }
	f.Fuzz(func(t *testing.T, data []byte) {
		fields := policy.For("x.acme.v")
		norm, err := event.Normalize(data)
		if err != nil || len(norm) == 0 || norm[0] != '{' {
			fields.Apply(data, "event_data", drop)
			return
		}
		out := fields.Apply(norm, "event_data", drop)
		if !json.Valid(out) {
			t.Fatalf("%s became %s", norm, out)
		}
		fields.Apply(out, "event_data", func(path, _ string, _ []byte) seal.Verdict {
			t.Fatalf("%s is still in %s", path, out)
			return seal.Verdict{}
		})
	})
}
