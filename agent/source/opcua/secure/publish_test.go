package secure

import (
	"reflect"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// wireOf is a service message as a server sends it.
func wireOf(t testing.TB, res ua.Response) []byte {
	t.Helper()
	body, err := ua.Encode(res)
	require.NoError(t, err)
	id, err := ua.Encode(ua.NewFourByteExpandedNodeID(0, ua.ServiceTypeID(res)))
	require.NoError(t, err)
	return join(id, body)
}

// published is an answer to Publish with so many changed values of several types.
func published(values int) *ua.PublishResponse {
	at := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	change := &ua.DataChangeNotification{}
	for i := range values {
		v := []any{int32(i), 41.5, float32(0.1), "running", true, []float64{1, 2}, ua.NewLocalizedText("x")}[i%7]
		d := &ua.DataValue{Value: ua.MustVariant(v), SourceTimestamp: at, ServerTimestamp: at, Status: ua.StatusCode(i % 2 << 30), SourcePicoseconds: uint16(i % 3)}
		d.UpdateMask()
		change.MonitoredItems = append(change.MonitoredItems, &ua.MonitoredItemNotification{ClientHandle: uint32(i), Value: d})
	}
	return &ua.PublishResponse{
		ResponseHeader: header(), SubscriptionID: 7, AvailableSequenceNumbers: []uint32{4, 5}, MoreNotifications: true,
		NotificationMessage: &ua.NotificationMessage{SequenceNumber: 5, PublishTime: at, NotificationData: []*ua.ExtensionObject{ua.NewExtensionObject(change)}},
		Results:             []ua.StatusCode{ua.StatusOK, ua.StatusBad},
	}
}

// gopcuas decodes as gopcua does by itself, behind the check.
func gopcuas(wire []byte) (any, error) {
	w := &walker{left: wire, budget: maxDecoded}
	if err := w.nodeID(true); err != nil {
		return nil, err
	}
	_, empty, _ := ua.DecodeService(wire[:len(wire)-len(w.left)])
	if empty == nil {
		return nil, malformed("unknown")
	}
	if err := Check(w.left, empty); err != nil {
		return nil, err
	}
	_, value, err := ua.DecodeService(wire)
	return value, err
}

func TestPublishedValuesAreDecodedExactlyAsGopcuaDoes(t *testing.T) {
	empty := published(0)
	keepAlive := published(0)
	keepAlive.NotificationMessage.NotificationData = nil
	numeric := published(3) // the type in the long form
	numeric.NotificationMessage.NotificationData[0].TypeID = ua.NewExpandedNodeID(ua.NewNumericNodeID(0, 811), "", 0)
	status := published(1)
	status.NotificationMessage.NotificationData = append(status.NotificationMessage.NotificationData,
		ua.NewExtensionObject(&ua.StatusChangeNotification{Status: ua.StatusBadTimeout, DiagnosticInfo: &ua.DiagnosticInfo{}}), ua.NewExtensionObject(nil))
	for name, res := range map[string]ua.Response{
		"values of all kinds": published(14), "no values": empty, "keep-alive": keepAlive, "a type in the long form": numeric,
		"several notifications": status, "of Republish": &ua.RepublishResponse{ResponseHeader: header(), NotificationMessage: published(9).NotificationMessage},
	} {
		t.Run(name, func(t *testing.T) {
			wire := wireOf(t, res)
			want, err := gopcuas(wire)
			require.NoError(t, err)
			got, err := decodeService(wire)
			require.NoError(t, err)
			require.Equal(t, want, got)
			for cut := 4; cut < len(wire); cut++ {
				_, err := decodeService(wire[:cut])
				require.Error(t, err, "cut at %d of %d", cut, len(wire))
			}
		})
	}
}

func TestAnItemTakesNoMoreMemoryThanIsCountedForIt(t *testing.T) {
	size := 0
	for _, of := range []reflect.Type{
		reflect.TypeFor[ua.MonitoredItemNotification](), reflect.TypeFor[ua.DataValue](), reflect.TypeFor[ua.Variant](), reflect.TypeFor[*ua.DataValue](),
	} {
		size += int(of.Size())
	}
	require.LessOrEqual(t, size, itemMemory)
}

func TestMoreValuesThanFitIntoTheMessageTakeNoMemory(t *testing.T) {
	w := &walker{left: append([]byte{0xff, 0xff, 0, 0}, make([]byte, 0xffff)...), budget: maxDecoded}
	_, err := w.dataChange()
	require.ErrorContains(t, err, "65535 values in 65535 bytes")
	w = &walker{left: append([]byte{0xff, 0xff, 0, 0}, make([]byte, 5*0xffff)...), budget: 1 << 20}
	_, err = w.dataChange()
	require.ErrorContains(t, err, "MiB of memory")
}

// FuzzPublished keeps the decoder of published values in step with gopcua's.
func FuzzPublished(f *testing.F) {
	for _, v := range samples() {
		if res, ok := v.(ua.Response); ok {
			f.Add(wireOf(f, res))
		}
	}
	f.Add(wireOf(f, published(3)))
	f.Add(wireOf(f, &ua.RepublishResponse{ResponseHeader: header(), NotificationMessage: published(2).NotificationMessage}))
	f.Fuzz(func(t *testing.T, wire []byte) {
		want, wrong := gopcuas(wire)
		got, err := decodeService(wire)
		if wrong != nil || err != nil {
			return // what only one of them refuses is refused
		}
		if again, _ := gopcuas(wire); !reflect.DeepEqual(want, again) {
			return // NaN is not even what it is itself
		}
		require.Equal(t, want, got)
	})
}

// BenchmarkPublished is what it costs to check and decode a value of an answer with
// a thousand of them, beside gopcua's decoder behind the same check.
func BenchmarkPublished(b *testing.B) {
	const values = 1000
	wire := wireOf(b, published(values))
	for name, decode := range map[string]func([]byte) (any, error){"own": decodeService, "gopcua": gopcuas} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if _, err := decode(wire); err != nil {
					b.Fatal(err)
				}
				n += values
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/value")
		})
	}
}
