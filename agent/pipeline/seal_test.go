package pipeline

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/detect/watch"
	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
	"github.com/linewatch/linewatch/shared/seal"
	"github.com/linewatch/linewatch/shared/wire"
)

// sealed is a pipeline that seals, and the key that opens.
func sealed(t testing.TB, rules ...seal.Rule) (*Pipeline, *memoryJournal, *seal.PrivateKey) {
	t.Helper()
	vault, err := seal.NewPrivateKey(seal.P256)
	require.NoError(t, err)
	policy, err := seal.NewPolicy(rules)
	require.NoError(t, err)
	ring := seal.NewRing()
	ring.SetRecipient(vault.Public())
	names := &Keys{}
	require.NoError(t, names.Set([]wire.PseudonymKey{{Plant: "hamburg", Year: 2026, Key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}))
	p, j := newTest(t, func(o *Options) { o.Policy, o.DataKeys, o.Pseudonyms = policy, ring, names })
	return p, j, vault
}

// opened returns what is sealed in an event.
func opened(t testing.TB, vault *seal.PrivateKey, leaves []byte, keys []*seal.DataKey) map[string]string {
	t.Helper()
	e, _, err := event.Parse(leaves)
	require.NoError(t, err)
	out := map[string]string{}
	for path, f := range e.Sealed {
		found := false
		for _, k := range keys {
			if k.ID != f.Key {
				continue
			}
			key, err := vault.Unwrap(k.Blob)
			require.NoError(t, err)
			value, err := key.Open(e.ID, path, f)
			require.NoError(t, err)
			out[path], found = key.Label.Subject+" "+string(value), true
		}
		require.True(t, found, "the key of %s goes with the leaf", path)
	}
	return out
}

func TestFieldsOfThePolicyAreSealedForThePersonWhoseTheyAre(t *testing.T) {
	p, j, vault := sealed(t, seal.Rule{Type: "user.login", Path: "event_data.shift", As: "shift"})
	r := reading(mqttPoint("user.login"), json.RawMessage(`{"action":"login","success":true,"method":"badge","device":"HMI-4","shift":"B","by":"Bert","note":"anna","x":{"password":"pw"}}`))
	r.User = "Anna"
	take(t, p, r)
	leaf := j.leaves[0]
	e := j.events(t)[0]
	anna, bert := e.UserID, ""
	var data map[string]any
	require.NoError(t, json.Unmarshal(e.Data, &data))
	bert, _ = data["by"].(string)
	require.Regexp(t, `^p-[0-9a-f]{32}$`, bert)
	require.NotEqual(t, anna, bert)
	require.Equal(t, map[string]any{"action": "login", "success": true, "method": "badge", "by": bert, "note": anna, "x": map[string]any{}, "userId": anna}, data)
	require.Equal(t, map[string]string{
		"user_id": anna + ` "Anna"`, "event_data.by": bert + ` "Bert"`, "event_data.device": anna + ` "HMI-4"`,
		"event_data.shift": `set:shift "B"`, "event_data.x.password": `set:secret "pw"`,
	}, opened(t, vault, leaf.Bytes, leaf.Keys))
	require.Empty(t, e.Metadata.Problems, "what is sealed is not missing")
}

func TestWithoutAKeyAFieldOfThePolicyIsLeftOutAndNeverGoesOnInClear(t *testing.T) {
	policy, err := seal.NewPolicy(nil)
	require.NoError(t, err)
	p, j := newTest(t, func(o *Options) { o.Policy, o.DataKeys = policy, seal.NewRing() })
	r := reading(mqttPoint("user.login"), json.RawMessage(`{"device":"HMI-4","operator":"Bert","password":"pw"}`))
	r.User = "Anna"
	take(t, p, r)
	text := string(j.leaves[0].Bytes)
	for _, clear := range []string{"HMI-4", "Bert", `"pw"`, "Anna"} {
		require.NotContains(t, text, clear)
	}
	require.Contains(t, text, "no key to seal for")
}

func TestWhatWasNotUnderstoodIsSealedToo(t *testing.T) {
	p, j, vault := sealed(t)
	big := json.RawMessage(`{"a":"` + strings.Repeat("x", 70000) + `","operator":"Bert"}`)
	take(t, p, reading(mqttPoint("x.acme.v"), big))
	leaf := j.leaves[0]
	require.NotContains(t, string(leaf.Bytes), "xxx")
	require.Contains(t, opened(t, vault, leaf.Bytes, leaf.Keys)["event_data.sample"], "set:unparsed \"{\\\"a\\\":\\\"xxx")
}

func TestAnEventWithVeryManyFieldsOfThePolicyIsSealedWhole(t *testing.T) {
	p, j, vault := sealed(t)
	var list []string
	for n := range 100 {
		list = append(list, fmt.Sprintf(`{"email":"%d@example.com"}`, n))
	}
	take(t, p, reading(mqttPoint("x.acme.v"), json.RawMessage(`{"list":[`+strings.Join(list, ",")+`]}`)))
	leaf := j.leaves[0]
	require.Len(t, leaf.Keys, 1)
	require.Contains(t, opened(t, vault, leaf.Bytes, leaf.Keys)["event_data"], "99@example.com")
	require.NotContains(t, string(leaf.Bytes), "example.com")
}

func TestAValueOfThePolicyIsNeitherRememberedNorSummarised(t *testing.T) {
	p, j, _ := sealed(t, seal.Rule{Type: "x.acme.badge_read", Path: "event_data.value", As: seal.AsPersonal}, seal.Rule{Type: "x.acme.badge_read", Path: "event_data.previous", As: seal.AsPersonal})
	badge, name := opcPoint("x.acme.badge_read"), mqttPoint("")
	name.Signal = "panel.operator"
	take(t, p, reading(badge, "badge-4711"), reading(badge, "badge-4711"), reading(badge, "badge-4712"), reading(name, "Annegret"))
	p.summarise(t.Context())
	require.Len(t, j.leaves, 3, "two changes and a summary: an equal value is no change")
	for _, leaf := range j.leaves {
		require.False(t, bytes.Contains(leaf.Bytes, []byte("badge-47")) || bytes.Contains(leaf.Bytes, []byte("Annegret")), "%s", leaf.Bytes)
	}
	for source, set := range j.stored {
		for key, value := range set {
			require.NotContains(t, string(value), "badge-47", "%s %s", source, key)
		}
	}
}

func TestAFieldThatLooksPersonalAndIsInNoRuleIsReportedOnce(t *testing.T) {
	p, j, _ := sealed(t, seal.Rule{Type: "*", Path: "**.workerCount", As: seal.AsClear})
	for range 3 {
		take(t, p, reading(mqttPoint("x.acme.v"), json.RawMessage(`{"next":{"worker_nick":"Bert"},"workerCount":3,"panel":1}`)))
	}
	events := j.events(t)
	require.Len(t, events[0].Metadata.Problems, 1)
	require.Equal(t, "event_data.next.worker_nick", events[0].Metadata.Problems[0].Field)
	require.Empty(t, events[1].Metadata.Problems)
	require.Empty(t, events[2].Metadata.Problems)
}

func TestDetectorsOfAStationQuoteNothingOfThePolicy(t *testing.T) {
	p, j, _ := sealed(t, seal.Rule{Type: "quality.check", Path: "event_data.characteristic", As: "recipe"})
	file := filepath.Join(t.TempDir(), "learnt")
	w, err := watch.New(watch.Options{File: file, Detection: config.Detection{MaxSignals: 10, Guard: config.Guard{Learn: time.Hour}}})
	require.NoError(t, err)
	p.o.Watch = w
	login := func(s float64, who, device string) source.Reading {
		return live(mqttPoint("user.login"), s, json.RawMessage(`{"userId":"`+who+`","action":"login","success":true,"device":"`+device+`"}`))
	}
	bad := live(mqttPoint("quality.check"), 7201, json.RawMessage(`{"result":"fail","characteristic":"Secret-Geometry"}`))
	take(t, p, login(0, "Anna", "HMI-1"), login(7200, "Bert-Klar", "HMI-9"), login(7201, "Bert-Klar", "HMI-9"), bad)
	found := 0
	for _, leaf := range j.leaves {
		for _, clear := range []string{"Anna", "Bert-Klar", "HMI-1", "HMI-9", "Secret-Geometry"} {
			require.NotContains(t, string(leaf.Bytes), clear)
		}
		if bytes.Contains(leaf.Bytes, []byte("was never seen at this station")) {
			found++
		}
	}
	require.Equal(t, 2, found, "a new person and a new device are told all the same, each once")
	require.NoError(t, w.Save(clock))
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	zip, err := gzip.NewReader(f)
	require.NoError(t, err)
	learnt, err := io.ReadAll(zip)
	require.NoError(t, err)
	require.Contains(t, string(learnt), `"p-`, "who was seen is in there")
	require.NotContains(t, string(learnt), "HMI-")
	require.NotContains(t, string(learnt), "Anna")
}

func TestAStructureWithAFieldOfThePolicyIsNotRememberedInClear(t *testing.T) {
	p, j, vault := sealed(t, seal.Rule{Type: "x.acme.order", Path: "event_data.value.formula", As: "recipe"})
	value := func(n int) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"n":%d,"operator":"Annegret","formula":"H2O"}`, n))
	}
	take(t, p, reading(opcPoint("x.acme.order"), value(1)), reading(opcPoint("x.acme.order"), value(1)), reading(opcPoint("x.acme.order"), value(2)))
	require.Len(t, j.leaves, 2)
	for _, leaf := range j.leaves {
		require.NotContains(t, string(leaf.Bytes), "Annegret")
		require.NotContains(t, string(leaf.Bytes), "H2O")
		require.Contains(t, opened(t, vault, leaf.Bytes, leaf.Keys)["event_data.value.formula"], "H2O")
	}
	for _, set := range j.stored {
		for key, value := range set {
			require.NotContains(t, string(value), "Annegret", key)
		}
	}
}

func TestASealedValueStandsInNoOtherMemberOfItsEvent(t *testing.T) {
	for _, field := range []string{"new", "value"} {
		p, j, vault := sealed(t, seal.Rule{Type: "parameter.change", Path: "event_data." + field, As: "recipe"})
		take(t, p, reading(opcPoint("parameter.change"), "H2O-first"), reading(opcPoint("parameter.change"), "H2O-then"))
		for i, leaf := range j.leaves {
			require.NotContains(t, string(leaf.Bytes), "H2O", field)
			require.Contains(t, opened(t, vault, leaf.Bytes, leaf.Keys)["event_data."+field], []string{"H2O-first", "H2O-then"}[i])
		}
	}
}

func TestASampleOfWhatASourceDidNotUnderstandIsSealed(t *testing.T) {
	p, j, vault := sealed(t)
	r := reading(mqttPoint("quality.check"), nil)
	r.Occurrence = &source.Occurrence{Type: event.TypeIngestQuarantined, Data: map[string]any{
		"source": "s", "item": "plant/q", "reason": "no JSON", "sample": `{"operator":"Annegret`, "encoding": "text",
	}}
	take(t, p, r)
	leaf := j.leaves[0]
	require.NotContains(t, string(leaf.Bytes), "Annegret")
	require.Equal(t, `set:unparsed "{\"operator\":\"Annegret"`, opened(t, vault, leaf.Bytes, leaf.Keys)["event_data.sample"])
}

func TestAProblemDoesNotQuoteAText(t *testing.T) {
	p, j, _ := sealed(t)
	point := opcPoint("equipment.status")
	point.Map = map[int64]string{1: "running"}
	take(t, p, reading(point, "Annegret"))
	require.Equal(t, "map has no name for this value", j.events(t)[0].Metadata.Problems[0].Reason)
}

func BenchmarkEvent(b *testing.B) {
	data := json.RawMessage(`{"panel":4711,"result":"pass","characteristic":"gap","value":0.2,"by":"camera 3","note":"nothing to say"}`)
	for name, with := range map[string]bool{"sealed": true, "clear": false} {
		b.Run(name, func(b *testing.B) {
			p, j := newTest(b)
			if with {
				p, j, _ = sealed(b)
			}
			point := mqttPoint("quality.check")
			for b.Loop() {
				take(b, p, source.Reading{Point: point, Value: data, ReceivedAt: clock, SourceTime: clock})
				j.leaves = j.leaves[:0]
			}
		})
	}
}
