package opcua

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/linewatch/linewatch/agent/config"
	"github.com/linewatch/linewatch/agent/source/opcua/secure"
	"github.com/linewatch/linewatch/shared/event"
)

func TestNodeIdsMeanTheSameNodeWhateverTheServerCounts(t *testing.T) {
	namespaces := []string{standardNamespace, "urn:server", "urn:vendor:press"}
	for text, want := range map[string]string{
		"nsu=urn:vendor:press;s=Line1.Press;State": "ns=2;s=Line1.Press;State",
		"nsu=urn:vendor:press;i=7":                 "ns=2;i=7",
		"nsu=http://opcfoundation.org/UA/;i=2253":  "i=2253",
		"ns=2;s=x": "ns=2;s=x",
		"i=2253":   "i=2253",
		"ns=2;g=00112233-4455-6677-8899-AABBCCDDEEFF":    "ns=2;g=00112233-4455-6677-8899-AABBCCDDEEFF",
		"nsu=urn:vendor:press;b=AAEC":                    "ns=2;b=AAEC",
		"nsu=urn:vendor:press;s=with space = and ; more": "ns=2;s=with space = and ; more",
	} {
		ref, err := parseNodeRef(text)
		require.NoError(t, err, text)
		node, err := ref.resolve(namespaces)
		require.NoError(t, err, text)
		require.Equal(t, want, node.String())
	}
	ref, err := parseNodeRef("ns=2;s=x")
	require.NoError(t, err)
	node, err := ref.resolve(namespaces)
	require.NoError(t, err)
	require.Equal(t, "nsu=urn:vendor:press;s=x", uriForm(node, namespaces))
	for _, bad := range []string{"", "x", "s", "ns=x;s=1", "ns=70000;i=1", "nsu=;i=1", "nsu=urn:x", "i=x", "g=1", "ns=1"} {
		_, err := parseNodeRef(bad)
		require.Error(t, err, bad)
	}
	ref, err = parseNodeRef("nsu=urn:nobody;i=1")
	require.NoError(t, err)
	_, err = ref.resolve(namespaces)
	require.ErrorContains(t, err, "urn:nobody")
}

func TestPathsNameTheirNamespacesAndMayEndInAStar(t *testing.T) {
	aliases := map[string]string{"v": "urn:vendor:press"}
	steps, err := parsePath("/Objects/v:Line1/v:FaultWord*", aliases)
	require.NoError(t, err)
	require.Equal(t, []step{{name: "Objects"}, {uri: "urn:vendor:press", name: "Line1"}, {uri: "urn:vendor:press", name: "FaultWord", prefix: true}}, steps)
	names := []string{standardNamespace, "urn:vendor:press"}
	require.True(t, steps[2].matches(&ua.QualifiedName{NamespaceIndex: 1, Name: "FaultWord7"}, names))
	require.False(t, steps[2].matches(&ua.QualifiedName{NamespaceIndex: 0, Name: "FaultWord7"}, names))
	require.False(t, steps[2].matches(&ua.QualifiedName{NamespaceIndex: 9, Name: "FaultWord7"}, names))
	require.False(t, steps[1].matches(nil, names))
	for _, bad := range []string{"", "/", "Objects", "/Objects//x", "/w:Objects"} {
		_, err := parsePath(bad, aliases)
		require.Error(t, err, bad)
	}
}

func TestValuesComeAsThePipelineTakesThem(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	for _, c := range []struct{ in, want any }{
		{true, true},
		{int8(-3), int64(-3)},
		{uint64(math.MaxUint64), uint64(math.MaxUint64)},
		{float32(41.3), 41.3},
		{"text", "text"},
		{at, "2026-01-02T03:04:05.0000006Z"},
		{[]byte{1, 2}, "AQI="},
		{ua.ByteArray{1, 2}, []any{uint64(1), uint64(2)}},
		{[]int32{1, 2}, []any{int64(1), int64(2)}},
		{[][]int32{{1}, {2}}, []any{[]any{int64(1)}, []any{int64(2)}}},
		{ua.NewLocalizedText("läuft"), "läuft"},
		{&ua.QualifiedName{Name: "q"}, "q"},
		{ua.StatusBadSensorFailure, uint64(ua.StatusBadSensorFailure)},
		{ua.NewNumericNodeID(1, 7), "ns=1;i=7"},
		{ua.NewExtensionObject(&ua.Range{Low: 1, High: 2}), json.RawMessage(`{"Low":1,"High":2}`)},
	} {
		got, problems := value(ua.MustVariant(c.in))
		require.Equal(t, c.want, got)
		require.Empty(t, problems)
	}
	got, problems := value(ua.MustVariant(math.NaN()))
	require.Nil(t, got)
	require.Equal(t, []event.Problem{{Field: "value", Reason: "NaN"}}, problems)
	got, problems = value(ua.MustVariant(make([]int32, 5000)))
	require.Len(t, got, maxElements)
	require.NotEmpty(t, problems)
	got, problems = value(nil)
	require.Nil(t, got)
	require.Empty(t, problems)
	unknown := &ua.ExtensionObject{TypeID: ua.NewFourByteExpandedNodeID(1, 99)}
	got, problems = value(ua.MustVariant(unknown))
	require.Nil(t, got)
	require.Contains(t, problems[0].Reason, "ns=1;i=99")
}

func TestAFloatOf32BitsReadsAsItPrints(t *testing.T) {
	printed := func(x float32) float64 {
		v, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
		require.NoError(t, err)
		return v
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 200_000 {
		x := math.Float32frombits(rng.Uint32())
		if i%2 == 0 { // as sensors give them
			x = float32(math.Round(rng.NormFloat64()*1e5) / []float64{1, 10, 100, 1000, 10000}[i%5])
		}
		if x != x || x-x != 0 {
			continue
		}
		require.Equal(t, printed(x), shortest(x), "%g", x)
	}
	for _, x := range []float32{0, 41.3, -0.1, 1 << 24, 1<<24 + 2, math.MaxFloat32, math.SmallestNonzeroFloat32, 16777215, 8388607.5, 0.0004, 0.00049} {
		require.Equal(t, printed(x), shortest(x), "%g", x)
	}
}

func TestTextsOfBits(t *testing.T) {
	bits, err := parseBits(strings.NewReader("\ufeffbit,code,text,severity\n# comment\n0,E-12,Door open,high\n 15 , E-13 , \"Oil, low\"\n"))
	require.NoError(t, err)
	require.Equal(t, "Oil, low", bits.Texts[15].Text)
	require.Equal(t, "high", bits.Texts[0].Severity)
	bits, err = parseBits(strings.NewReader("3;E-1;Türe offen, Halle 2\n"))
	require.NoError(t, err)
	require.Equal(t, "Türe offen, Halle 2", bits.Texts[3].Text)
	for _, bad := range []string{"", "bit,code,text\n", "64,a,b\n", "x,a,b\n", "1,a\n", "1,a,b\n1,c,d\n", "1,a,b,fatal\n", "1,\"a,b\n"} {
		_, err := parseBits(strings.NewReader(bad))
		require.Error(t, err, bad)
	}
}

func TestQueueAndLifetimeCoverTheOutage(t *testing.T) {
	cfg := insecure("opc.tcp://x:1", stateNode(), stateNode())
	cfg.CoverOutage, cfg.KeepAlive = 5*time.Minute, 5*time.Second
	cfg.Groups[0].Sampling, cfg.Groups[0].Publishing = time.Second, 500*time.Millisecond
	cfg.Groups[0].Nodes[1].Queue = 7
	p, err := compile(cfg, Options{})
	require.NoError(t, err)
	g := p.groups[0]
	require.Equal(t, uint32(301), p.queueSize(g, g.nodes[0]))
	require.Equal(t, uint32(7), p.queueSize(g, g.nodes[1]))
	keepAlive, life := p.lifetime(g.publishing)
	require.Equal(t, uint32(10), keepAlive)
	require.GreaterOrEqual(t, time.Duration(life)*g.publishing, 5*time.Minute)
	require.Greater(t, p.sessionTimeout(), 5*time.Minute)
}

func TestAllMistakesOfAConfigurationAreToldAtOnce(t *testing.T) {
	cfg := config.OPCUA{
		Name: "x", Endpoint: "http://x", Security: config.OPCUASecurity{Policy: "Basic256", Mode: "Sign"},
		Groups: []config.OPCUAGroup{{Name: "a", Nodes: []config.OPCUANode{{}, {ID: "i=1", Path: "/x"}, {ID: "q"}, {ID: "i=1", Severity: "loud"}}}, {Name: "a"}},
		Alarms: []config.OPCUAAlarms{{Notifier: "?"}, {Notifier: "i=2253", MinSeverity: 2000}},
	}
	err := Validate(cfg, Options{})
	for _, want := range []string{"Basic256", "opc.tcp://", "neither id nor path", "not both", "node 3", "loud", "used twice", "entry 1", "entry 2"} {
		require.ErrorContains(t, err, want)
	}
}

func FuzzNodeIds(f *testing.F) {
	for _, seed := range []string{"nsu=urn:x;s=a", "ns=3;i=7", "i=2253", "g=1", "b=AA==", "nsu=;s="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := parseNodeRef(text)
		if err != nil {
			return
		}
		if node, err := ref.resolve([]string{standardNamespace, "urn:x"}); err == nil {
			_ = uriForm(node, []string{standardNamespace, "urn:x"})
		}
	})
}

func FuzzPaths(f *testing.F) {
	f.Add("/Objects/v:Line1/v:FaultWord*")
	f.Add("//:*")
	f.Fuzz(func(t *testing.T, text string) {
		steps, err := parsePath(text, map[string]string{"v": "urn:x"})
		require.True(t, err != nil || len(steps) > 0)
	})
}

func FuzzTextsOfBits(f *testing.F) {
	f.Add("bit,code,text\n1,a,b\n")
	f.Add("1;a;b;high\n")
	f.Fuzz(func(t *testing.T, text string) {
		bits, err := parseBits(strings.NewReader(text))
		require.True(t, err != nil || len(bits.Texts) > 0)
	})
}

// FuzzValues takes what the channel lets through, matrices too: no value of a server may stop the agent.
func FuzzValues(f *testing.F) {
	for _, v := range []any{int32(1), "x", []float64{1, 2}, [][]int32{{1, 2}, {3, 4}}, [][][]string{{{"a"}, {"b"}}}, math.Inf(1), ua.NewExtensionObject(&ua.Range{}), ua.NewLocalizedText("x")} {
		seed, err := ua.MustVariant(v).Encode()
		require.NoError(f, err)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		v := new(ua.Variant)
		if secure.Check(wire, v) != nil {
			return
		}
		if _, err := v.Decode(wire); err != nil {
			return
		}
		out, _ := value(v)
		_, err := event.Value(out)
		require.NoError(t, err, "%T", out)
	})
}
