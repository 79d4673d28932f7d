package mqtt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/shared/peertest"
)

func TestMosquittoSendsAMessageOnceThoughTwoFiltersOverlap(t *testing.T) {
	b := peertest.Mosquitto(t, peertest.MosquittoConfig{})
	sink := newRecorder()
	cfg := config.MQTT{Name: "uns", Broker: b.URL, Topics: []config.MQTTTopic{
		{Match: "a/+/c", Payload: "number", As: "one"}, {Match: "a/b/+", Payload: "number", As: "two"}, {Match: "end", Payload: "number"},
	}}
	s := start(t, cfg, sink).connected(t)
	require.Len(t, s.filters, 3)
	pub := publisher(t, b.URL)
	publish(t, pub, "a/b/c", false, "1")
	publish(t, pub, "end", false, "2")
	waitFor(t, "the last message", func() bool {
		got := sink.messages()
		return len(got) > 0 && got[len(got)-1].Point.Item == "end"
	})
	require.Len(t, sink.messages(), 2)
	require.Equal(t, "one", sink.messages()[0].Point.Signal, "the first rule that matches counts")
}
