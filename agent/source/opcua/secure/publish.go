package secure

import (
	"encoding/binary"
	"reflect"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// Nearly all that a server sends are answers to Publish with changed values, and
// gopcua decodes them by reflection with a formatted name for each element, which
// costs more than all that is done with a value afterwards. So these answers are
// decoded here, checked in the same pass; every part of them that is neither an
// item of a data change nor a plain number is left to the general check and to
// gopcua's decoder. The result is the same, see FuzzDecode.

// Depth of the parts of a PublishResponse as [walker.value] counts it.
const (
	depthField   = 1 // of the answer
	depthMessage = 2 // of the message in it
	depthObject  = 3
	depthList    = 5 // in a data change
	depthValue   = 7
	// itemSize is the least that one item of a data change takes on the wire.
	itemSize = 5
)

// itemMemory is what one item takes in memory at most, the value in its variant apart.
const itemMemory = 256

// publishResponse decodes an answer to Publish behind its type.
func (w *walker) publishResponse() (*ua.PublishResponse, error) {
	res := &ua.PublishResponse{ResponseHeader: new(ua.ResponseHeader)}
	if err := w.into(res.ResponseHeader, depthField); err != nil {
		return nil, err
	}
	var err error
	if res.SubscriptionID, err = w.uint32(); err != nil {
		return nil, err
	}
	if err := w.into(&res.AvailableSequenceNumbers, depthField); err != nil {
		return nil, err
	}
	more, err := w.byte()
	if err != nil {
		return nil, err
	}
	res.MoreNotifications = more > 0
	if res.NotificationMessage, err = w.message(); err != nil {
		return nil, err
	}
	if err := w.into(&res.Results, depthField); err != nil {
		return nil, err
	}
	return res, w.into(&res.DiagnosticInfos, depthField)
}

// republishResponse decodes an answer to Republish behind its type.
func (w *walker) republishResponse() (*ua.RepublishResponse, error) {
	res := &ua.RepublishResponse{ResponseHeader: new(ua.ResponseHeader)}
	if err := w.into(res.ResponseHeader, depthField); err != nil {
		return nil, err
	}
	var err error
	res.NotificationMessage, err = w.message()
	return res, err
}

// into checks the next part as the general check does and has gopcua decode
// exactly its bytes.
func (w *walker) into(v any, depth int) error {
	from := w.left
	if err := w.value(reflect.TypeOf(v), depth); err != nil {
		return err
	}
	if _, err := ua.Decode(from[:len(from)-len(w.left)], v); err != nil {
		return malformed("%T can't be decoded: %v", v, err)
	}
	return nil
}

func (w *walker) uint32() (uint32, error) {
	if len(w.left) < 4 {
		return 0, w.skip(4)
	}
	n := binary.LittleEndian.Uint32(w.left)
	w.left = w.left[4:]
	return n, nil
}

// message is the NotificationMessage of OPC 10000-4, 7.26.
func (w *walker) message() (*ua.NotificationMessage, error) {
	m := new(ua.NotificationMessage)
	var err error
	if m.SequenceNumber, err = w.uint32(); err != nil {
		return nil, err
	}
	if err := w.into(&m.PublishTime, depthMessage); err != nil {
		return nil, err
	}
	n, err := w.length()
	if err != nil || n < 0 {
		return m, err
	}
	if err := w.spend(n * 8); err != nil {
		return nil, err
	}
	m.NotificationData = make([]*ua.ExtensionObject, n)
	for i := range m.NotificationData {
		if m.NotificationData[i], err = w.notification(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// dataChangeHead is how an extension object with a DataChangeNotification begins:
// the node id i=811 in four bytes, and that a body follows.
var dataChangeHead = string([]byte{
	byte(ua.NodeIDTypeFourByte), 0, id.DataChangeNotification_Encoding_DefaultBinary & 0xff, id.DataChangeNotification_Encoding_DefaultBinary >> 8,
	ua.ExtensionObjectBinary,
})

func (w *walker) notification() (*ua.ExtensionObject, error) {
	if len(w.left) < len(dataChangeHead) || string(w.left[:len(dataChangeHead)]) != dataChangeHead {
		other := new(ua.ExtensionObject)
		return other, w.into(other, depthObject)
	}
	w.left = w.left[len(dataChangeHead):]
	o := &ua.ExtensionObject{
		EncodingMask: ua.ExtensionObjectBinary,
		TypeID:       ua.NewFourByteExpandedNodeID(0, id.DataChangeNotification_Encoding_DefaultBinary),
	}
	n, err := w.length()
	if err != nil || n <= 0 {
		return o, err
	}
	body := &walker{left: w.left[:n], budget: w.budget}
	if err := w.skip(n); err != nil {
		return nil, err
	}
	change, err := body.dataChange()
	if err != nil {
		return nil, err
	}
	w.budget, o.Value = body.budget, change
	return o, nil
}

// dataChange is the DataChangeNotification of OPC 10000-4, 7.25.2. Items and values
// lie side by side in memory: nobody keeps one of them longer than the others.
func (w *walker) dataChange() (*ua.DataChangeNotification, error) {
	c := new(ua.DataChangeNotification)
	n, err := w.length()
	if err != nil {
		return nil, err
	}
	if n >= 0 {
		if n*itemSize > len(w.left) {
			return nil, malformed("%d values in %d bytes", n, len(w.left))
		}
		if err := w.spend(n * itemMemory); err != nil {
			return nil, err
		}
		items, values, variants := make([]ua.MonitoredItemNotification, n), make([]ua.DataValue, n), make([]ua.Variant, n)
		c.MonitoredItems = make([]*ua.MonitoredItemNotification, n)
		for i := range items {
			if items[i].ClientHandle, err = w.uint32(); err != nil {
				return nil, err
			}
			values[i].Value = &variants[i]
			if err := w.changed(&values[i]); err != nil {
				return nil, err
			}
			items[i].Value, c.MonitoredItems[i] = &values[i], &items[i]
		}
	}
	return c, w.into(&c.DiagnosticInfos, depthList)
}

// changed is the DataValue of one item (OPC 10000-6, 5.2.2.17), its variant made.
func (w *walker) changed(v *ua.DataValue) (err error) {
	if v.EncodingMask, err = w.byte(); err != nil {
		return err
	}
	if v.Has(ua.DataValueValue) {
		from := w.left
		if err := w.variant(depthValue + 1); err != nil {
			return err
		}
		if _, err := v.Value.Decode(from[:len(from)-len(w.left)]); err != nil {
			return malformed("a value can't be decoded: %v", err)
		}
	}
	if v.Has(ua.DataValueStatusCode) {
		var status uint32
		if status, err = w.uint32(); err != nil {
			return err
		}
		v.Status = ua.StatusCode(status)
	}
	if v.SourceTimestamp, v.SourcePicoseconds, err = w.time(v.EncodingMask, ua.DataValueSourceTimestamp, ua.DataValueSourcePicoseconds); err != nil {
		return err
	}
	v.ServerTimestamp, v.ServerPicoseconds, err = w.time(v.EncodingMask, ua.DataValueServerTimestamp, ua.DataValueServerPicoseconds)
	return err
}

// time is a time stamp with its picoseconds, each where the mask says so.
func (w *walker) time(mask, stamp, pico byte) (at time.Time, picoseconds uint16, err error) {
	if mask&stamp != 0 {
		const unix = 116444736000000000 // 1970 in steps of 100 ns since 1601
		from := w.left
		if err := w.skip(8); err != nil {
			return at, 0, err
		}
		if n := binary.LittleEndian.Uint64(from); n != 0 {
			at = time.Unix(0, int64((n-unix)*100)).UTC() // wraps as gopcua's does
		}
	}
	if mask&pico != 0 {
		from := w.left
		if err := w.skip(2); err != nil {
			return at, 0, err
		}
		picoseconds = binary.LittleEndian.Uint16(from)
	}
	return at, picoseconds, nil
}
