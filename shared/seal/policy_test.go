package seal_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
)

func TestEveryTypeThatIdentifiesAPersonHasARule(t *testing.T) {
	rules, err := seal.DefaultRules()
	require.NoError(t, err)
	for _, r := range rules {
		if r.Type != "*" {
			_, ok := event.Lookup(r.Type)
			require.True(t, ok, "%s is in the policy and not in the catalogue", r.Type)
		}
		require.NotEmpty(t, r.Why)
	}
	policy, err := seal.NewPolicy(nil)
	require.NoError(t, err)
	for _, info := range event.Types() {
		if info.PII < 2 || info.Name == event.TypeAuditAccessed { // written by the aggregator, with a pseudonym
			continue
		}
		object := map[string]any{}
		for _, field := range info.Required {
			object[field] = "x"
		}
		text, err := json.Marshal(object)
		require.NoError(t, err)
		hits := 0
		policy.For(info.Name).Apply(text, "event_data", func(string, string, []byte) seal.Verdict { hits++; return seal.Verdict{} })
		require.Positive(t, hits, "%s identifies a person by the catalogue, and the policy takes nothing out of it", info.Name)
	}
}

func TestThePolicyFindsFieldsByTypeByPathAndByNameAtAnyDepth(t *testing.T) {
	policy, err := seal.NewPolicy([]seal.Rule{
		{Type: "x.acme.*", Path: "event_data.order.recipe", As: "recipe"},
		{Type: "x.acme.quiet", Path: "event_data.order.recipe", As: seal.AsClear},
		{Type: "*", Path: "**.holder", As: seal.AsPerson},
		{Type: "user.login", Path: "event_data.device", As: seal.AsClear},
	})
	require.NoError(t, err)
	found := func(typ, data string) (hits []string) {
		policy.For(typ).Apply([]byte(data), "event_data", func(path, as string, value []byte) seal.Verdict {
			hits = append(hits, fmt.Sprintf("%s %s %s", path, as, value))
			return seal.Verdict{}
		})
		return hits
	}
	require.Equal(t, []string{`event_data.order.recipe recipe {"a":1}`}, found("x.acme.v", `{"order":{"n":1,"recipe":{"a":1}},"recipe":2}`))
	require.Empty(t, found("x.acme.quiet", `{"order":{"recipe":{"a":1}}}`))
	require.Equal(t, []string{`event_data.list[1].Pass_Word secret "x"`, `event_data.list[2].HOLDER person "b"`}, found("x.other.v", `{"list":[1,{"Pass_Word":"x"},{"HOLDER":"b"}]}`))
	require.Equal(t, []string{`event_data.a\.b.E-Mail personal "x"`}, found("x.other.v", `{"a.b":{"E-Mail":"x"}}`))
	require.Equal(t, []string{`event_data.location personal "here"`}, found("user.login", `{"device":"d","location":"here"}`))
}

func TestApplyTakesMembersOutAndLeavesTheRestByteForByte(t *testing.T) {
	policy, err := seal.NewPolicy(nil)
	require.NoError(t, err)
	for in, want := range map[string]string{
		`{}`:                   `{}`,
		`{"a":1}`:              `{"a":1}`,
		`{"password":1}`:       `{}`,
		`{"password":1,"a":2}`: `{"a":2}`,
		`{"a":2,"password":1}`: `{"a":2}`,
		`{"a":2,"password":{"b":[1,"]}"]},"c":3}`:                    `{"a":2,"c":3}`,
		`{"password":1,"email":2}`:                                   `{}`,
		`{"password":1,"a":0,"email":2,"b":[{"phone":"1"},"email"]}`: `{"a":0,"b":[{},"email"]}`,
		`{"a":{"x":1,"email":2,"phone":3,"y":4}}`:                    `{"a":{"x":1,"y":4}}`,
		`{"t\u0065xt":"\"password\":1"}`:                             `{"t\u0065xt":"\"password\":1"}`,
		`{"p\u0061ssword":1,"a":2}`:                                  `{"a":2}`,
	} {
		out := policy.For("x.acme.v").Apply([]byte(in), "event_data", func(string, string, []byte) seal.Verdict { return seal.Verdict{Drop: true} })
		require.Equal(t, want, string(out), in)
	}
	out := policy.For("x.acme.v").Apply([]byte(`{"operator":"anna","n":1}`), "event_data", func(string, string, []byte) seal.Verdict {
		return seal.Verdict{Replace: []byte(`"p-1"`)}
	})
	require.Equal(t, `{"operator":"p-1","n":1}`, string(out))
}

func TestAWrongRuleIsNamed(t *testing.T) {
	for _, r := range []seal.Rule{
		{Type: "nodots", Path: "event_data.a", As: "secret"},
		{Type: "a.*.b", Path: "event_data.a", As: "secret"},
		{Type: "*", Path: "data.a", As: "secret"},
		{Type: "*", Path: "**.", As: "secret"},
		{Type: "*", Path: "**.a.b", As: "secret"},
		{Type: "*", Path: "event_data.a", As: "Not A Set"},
		{Type: "*", Path: "event_data.a", As: ""},
	} {
		_, err := seal.NewPolicy([]seal.Rule{r})
		require.ErrorContains(t, err, "rule 1", "%+v", r)
	}
}

func TestANameIsReplacedInEverySpellingThatGivesItsPseudonym(t *testing.T) {
	key := []byte("0123456789abcdef")
	for name, others := range map[string][]string{
		"José Núñez": {"jose\u0301 nu\u0301n\u0303ez", " JOSÉ NÚÑEZ ", `Jos\u00e9 N\u00fa\u00f1ez`},
		"ΝΊΚΟΣ":      {"Νίκος"},
		"Anna":       {"ANNA ", `\u0041nna`},
	} {
		for _, other := range others {
			var plain string
			require.NoError(t, json.Unmarshal([]byte(`"`+other+`"`), &plain))
			require.Equal(t, event.Pseudonym(key, name), event.Pseudonym(key, plain), other)
			require.Equal(t, `{"note":"p-1","of":["p-1"],"x":"Anna-Lena"}`, string(seal.ReplaceText([]byte(`{"note":"`+other+`","of":["`+other+`"],"x":"Anna-Lena"}`), name, "p-1")), other)
		}
	}
}

func TestPersonalDataOfAnAccountGoWithThePersonWhoseAccountItIs(t *testing.T) {
	vault := private(t, seal.P256)
	ring := seal.NewRing()
	ring.SetRecipient(vault.Public())
	policy, err := seal.NewPolicy(nil)
	require.NoError(t, err)
	key := []byte("0123456789abcdef")
	s := seal.Sealer{Policy: policy, Keys: ring, Pseudonym: func(_ *event.Event, name string) (string, bool) { return event.Pseudonym(key, name), true }}
	admin, anna := event.Pseudonym(key, "Bert"), event.Pseudonym(key, "Anna")
	for _, target := range []string{"Anna", anna} {
		e := event.Event{
			ID: eventID, Type: event.TypeAccountChange, UserID: admin, CollectedAt: time.Now(),
			Data:    json.RawMessage(`{"after":{"phone":"4711"},"before":null,"by":"Bert","targetUser":"` + target + `"}`),
			Context: json.RawMessage(`{"note":"Bert","n":1}`),
		}
		subjects := map[string]string{}
		for _, k := range s.Event(&e) {
			for path, f := range e.Sealed {
				if f.Key == k.ID {
					subjects[path] = k.Label.Subject
				}
			}
		}
		require.Equal(t, anna, subjects["event_data.after"], "it goes with its person, not with the administrator")
		require.Equal(t, admin, subjects["event_data.by"])
		require.JSONEq(t, `{"note":"`+admin+`","n":1}`, string(e.Context), "a name of event_data is one in context, too")
	}
}
