package secure

import (
	"bytes"
	"math"
	"reflect"
	"runtime"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// samples are values of all kinds that real servers send.
func samples() []any {
	matrix := ua.MustVariant([][]float64{{1, 2}, {3, 4}})
	return []any{
		matrix, ua.MustVariant([]string{"a", "", "c"}), ua.MustVariant(math.Inf(1)), ua.MustVariant([]byte{1, 2}),
		ua.MustVariant(ua.NewExtensionObject(&ua.Range{Low: 1, High: 2})), ua.MustVariant(ua.NewLocalizedText("x")),
		ua.MustVariant([]*ua.Variant{matrix, ua.MustVariant(int8(1))}), ua.MustVariant(ua.NewStringNodeID(2, "press")),
		ua.MustVariant(&ua.QualifiedName{NamespaceIndex: 1, Name: "q"}), ua.MustVariant(ua.NewStringExpandedNodeID(1, "e")),
		&ua.DataValue{EncodingMask: 0x3f, Value: matrix},
		&ua.DiagnosticInfo{EncodingMask: 0x7f, AdditionalInfo: "i", InnerDiagnosticInfo: &ua.DiagnosticInfo{}},
		&ua.PublishResponse{
			ResponseHeader: header(), AvailableSequenceNumbers: []uint32{1, 2}, Results: []ua.StatusCode{ua.StatusBad},
			DiagnosticInfos: []*ua.DiagnosticInfo{{}},
			NotificationMessage: &ua.NotificationMessage{NotificationData: []*ua.ExtensionObject{
				ua.NewExtensionObject(&ua.DataChangeNotification{
					MonitoredItems: []*ua.MonitoredItemNotification{{ClientHandle: 3, Value: &ua.DataValue{EncodingMask: 1, Value: matrix}}},
				}),
				ua.NewExtensionObject(&ua.EventNotificationList{Events: []*ua.EventFieldList{{EventFields: []*ua.Variant{matrix}}}}),
			}},
		},
		&ua.GetEndpointsResponse{ResponseHeader: header(), Endpoints: []*ua.EndpointDescription{{
			Server:            &ua.ApplicationDescription{ApplicationName: ua.NewLocalizedText("press"), DiscoveryURLs: []string{"opc.tcp://x"}},
			ServerCertificate: []byte{1, 2, 3}, UserIdentityTokens: []*ua.UserTokenPolicy{{PolicyID: "anonymous"}},
		}}},
	}
}

func header() *ua.ResponseHeader {
	return &ua.ResponseHeader{ServiceDiagnostics: &ua.DiagnosticInfo{}, AdditionalHeader: ua.NewExtensionObject(nil)}
}

func TestWhatServersSendPassesAndIsReadToItsEnd(t *testing.T) {
	for _, v := range samples() {
		wire, err := ua.Encode(v)
		require.NoError(t, err)
		w := &walker{left: wire, budget: maxDecoded}
		require.NoError(t, w.value(reflect.TypeOf(v), 0), "%T", v)
		require.Empty(t, w.left, "%T", v)
		for cut := range wire {
			require.Error(t, Check(wire[:cut], v), "%T cut at %d of %d", v, cut, len(wire))
		}
	}
}

func TestWhatWouldTakeTooMuchMemoryIsRefusedBeforeItIsTaken(t *testing.T) {
	// 2^16 empty variants each in 200 arrays: 13 MB on the wire, 2 GB decoded.
	inner := append([]byte{byte(ua.TypeIDVariant) | 0x80, 0xff, 0xff, 0, 0}, make([]byte, 0xffff)...)
	wire := append([]byte{byte(ua.TypeIDVariant) | 0x80, 200, 0, 0, 0}, bytes.Repeat(inner, 200)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.ErrorContains(t, Check(wire, new(ua.Variant)), "MiB of memory")
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// FuzzDecode takes any bytes as a service message: what the check lets pass must
// neither panic nor take memory without bound.
func FuzzDecode(f *testing.F) {
	for _, v := range samples() {
		res, ok := v.(ua.Response)
		if !ok {
			continue
		}
		body, err := ua.Encode(v)
		require.NoError(f, err)
		id, err := ua.Encode(ua.NewFourByteExpandedNodeID(0, ua.ServiceTypeID(res)))
		require.NoError(f, err)
		f.Add(join(id, body))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		value, err := decodeService(wire)
		require.True(t, (value == nil) != (err == nil))
		if err != nil {
			require.NotContains(t, err.Error(), "can't be decoded (", "the check must see it before the decoder panics")
		}
	})
}

// FuzzVariant keeps check and decoder in step: the check must know exactly which
// bytes a value takes, or it looks at others than the decoder.
func FuzzVariant(f *testing.F) {
	for _, v := range samples() {
		if variant, ok := v.(*ua.Variant); ok {
			wire, err := variant.Encode()
			require.NoError(f, err)
			f.Add(wire)
		}
	}
	f.Add([]byte{0xc3, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{0x86, 0xfe, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, wire []byte) {
		w := &walker{left: wire, budget: maxDecoded}
		if w.value(reflect.TypeOf(new(ua.Variant)), 0) != nil {
			return
		}
		n, err := new(ua.Variant).Decode(wire)
		if err == nil {
			require.Equal(t, len(wire)-len(w.left), n)
		}
	})
}
