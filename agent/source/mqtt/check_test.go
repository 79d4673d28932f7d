package mqtt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/conf"
	"github.com/linewatch/linewatch/shared/peertest"
)

func TestCheckReportsTopicsProblemsAndTheBrokersLimitsBesideARunningAgent(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{Text: "sys_interval 1"})
	sink := newRecorder()
	cfg := plantTopics(b.URL)
	cfg.Topics = append(cfg.Topics, config.MQTTTopic{Match: "+/line3/quality", Payload: "json", Event: "x.a.b"})
	s := start(t, cfg, sink).connected(t)
	pub := publisher(t, b.URL)
	publish(t, pub, "plant/line3/quality", true, `{"panel":1,"ts":"2026-11-22T04:00:00Z"}`)
	publish(t, pub, "plant/line3/press/force", true, `{"x":1}`)
	r, err := s.Check(t.Context(), 2500*time.Millisecond)
	require.NoError(t, err)
	require.True(t, r.Limits.Readable)
	require.Contains(t, r.Limits.Version, "mosquitto")
	require.Len(t, r.Topics, 2)
	require.Equal(t, "plant/line3/press/force", r.Topics[0].Topic)
	require.Equal(t, "no value at $.value", r.Topics[0].Problem)
	require.Equal(t, "quality.check", r.Topics[1].Event)
	text := strings.Join(r.Warnings, "\n")
	require.Contains(t, text, "no message on plant/+/n")
	require.Contains(t, text, "plant/line3/press/force: no value")
	require.Equal(t, "connected", string(s.Health().State), "the running session was left alone")
	_, err = New(plantTopics("tcp://127.0.0.1:1"), Options{Station: "a/b/line3/d"}).Check(t.Context(), time.Second)
	require.ErrorContains(t, err, "127.0.0.1:1")
}

func TestSniffWritesConfigurationThatCanBeUsed(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	pub := publisher(t, b.URL)
	for topic, payload := range map[string]string{
		"a/number": "1.5", "a/flag": "true", "a/text": "hello", "a/bin": "\xff\x00",
		"a/value": `{"value":1,"ts":1795322606500}`, "a/record": `{"a":1,"b":2,"c":3,"d":4,"v":5}`,
	} {
		publish(t, pub, topic, true, payload)
	}
	got, err := Sniff(t.Context(), config.MQTT{Name: "x", Broker: b.URL}, Options{Station: "a/b"}, "#", time.Second)
	require.NoError(t, err)
	kinds := map[string]string{}
	for _, topic := range got.Topics {
		kinds[topic.Topic] = fmt.Sprint(topic.Payload, " ", topic.Value, " ", topic.Time)
	}
	require.Equal(t, map[string]string{
		"a/number": "number  ", "a/flag": "bool  ", "a/text": "text  ", "a/bin": "binary  ",
		"a/value": "json $.value $.ts", "a/record": "json  ",
	}, kinds)
	var cfg config.MQTT
	require.NoError(t, conf.Parse("sniffed", []byte(got.YAML()), &cfg, conf.Options{Partial: true}), got.YAML())
	require.Len(t, cfg.Topics, 5)
	cfg.Name, cfg.Broker = "x", b.URL
	require.NoError(t, New(cfg, Options{Station: "a/b"}).Err())
}
