package secure

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Bounds of one message, checked on its bytes before anything is decoded.
const (
	// maxDepth bounds values inside values; real notifications stay below 12.
	maxDepth = 32
	// maxDimensions bounds matrices: every dimension makes a Go type for ever.
	maxDimensions = 8
	// maxDecoded bounds what one message may take in memory: one byte on the wire
	// can stand for a value of 200 bytes.
	maxDecoded = 256 << 20
)

// Malformed is a message of the peer that is refused, because decoding it could
// harm the process or because it breaks OPC 10000-6.
type Malformed struct {
	// Reason says what is wrong, without bytes of the message.
	Reason string
}

func (m *Malformed) Error() string { return "the server sent a message that is refused: " + m.Reason }

func malformed(format string, args ...any) error {
	return &Malformed{Reason: fmt.Sprintf(format, args...)}
}

// fixedSize is the size on the wire of a built-in type that always has one; 0 for others.
func fixedSize(kind ua.TypeID) int {
	switch kind {
	case ua.TypeIDBoolean, ua.TypeIDSByte, ua.TypeIDByte:
		return 1
	case ua.TypeIDInt16, ua.TypeIDUint16:
		return 2
	case ua.TypeIDInt32, ua.TypeIDUint32, ua.TypeIDFloat, ua.TypeIDStatusCode:
		return 4
	case ua.TypeIDInt64, ua.TypeIDUint64, ua.TypeIDDouble, ua.TypeIDDateTime:
		return 8
	}
	return 0
}

// builtinType is the Go type of the other built-in types; nil for an unknown one.
func builtinType(kind ua.TypeID) reflect.Type {
	switch kind {
	case ua.TypeIDGUID:
		return reflect.TypeFor[*ua.GUID]()
	case ua.TypeIDNodeID:
		return reflect.TypeFor[*ua.NodeID]()
	case ua.TypeIDExpandedNodeID:
		return reflect.TypeFor[*ua.ExpandedNodeID]()
	case ua.TypeIDQualifiedName:
		return reflect.TypeFor[*ua.QualifiedName]()
	case ua.TypeIDLocalizedText:
		return reflect.TypeFor[*ua.LocalizedText]()
	case ua.TypeIDExtensionObject:
		return reflect.TypeFor[*ua.ExtensionObject]()
	case ua.TypeIDDataValue:
		return reflect.TypeFor[*ua.DataValue]()
	case ua.TypeIDVariant:
		return reflect.TypeFor[*ua.Variant]()
	case ua.TypeIDDiagnosticInfo:
		return reflect.TypeFor[*ua.DiagnosticInfo]()
	case ua.TypeIDString, ua.TypeIDByteString, ua.TypeIDXMLElement:
		return reflect.TypeFor[string]()
	}
	return nil
}

// Check walks over wire as the decoder of v's type would, without building
// anything: lengths against the bytes that are left, depth, dimensions, and the
// memory that decoding would take. Bytes after the value are nobody's. The error
// is a *Malformed.
func Check(wire []byte, v any) error {
	w := &walker{left: wire, budget: maxDecoded}
	return w.value(reflect.TypeOf(v), 0)
}

// walker is one pass over a message; what is left gets shorter.
type walker struct {
	left   []byte
	budget int
}

func (w *walker) skip(n int) error {
	if n < 0 || n > len(w.left) {
		return malformed("it ends in the middle of a value")
	}
	w.left = w.left[n:]
	return nil
}

func (w *walker) byte() (byte, error) {
	if len(w.left) == 0 {
		return 0, w.skip(1)
	}
	b := w.left[0]
	w.left = w.left[1:]
	return b, nil
}

func (w *walker) int32() (int32, error) {
	if len(w.left) < 4 {
		return 0, w.skip(4)
	}
	n := int32(binary.LittleEndian.Uint32(w.left)) // the wire's own type
	w.left = w.left[4:]
	return n, nil
}

func (w *walker) spend(n int) error {
	w.budget -= n
	if w.budget < 0 {
		return malformed("it would take more than %d MiB of memory", maxDecoded>>20)
	}
	return nil
}

// length reads the length of an array or text; -1 is none, of which the decoder
// makes nothing. Every element takes at least one byte.
func (w *walker) length() (int, error) {
	n, err := w.int32()
	if err != nil {
		return 0, err
	}
	if n < -1 {
		return 0, malformed("a length is negative (%d)", n)
	}
	if int(n) > len(w.left) {
		return 0, malformed("a length of %d exceeds the %d bytes that are left", n, len(w.left))
	}
	return int(n), nil
}

func (w *walker) text() error {
	n, err := w.length()
	if err != nil || n <= 0 {
		return err
	}
	if err := w.spend(n); err != nil {
		return err
	}
	return w.skip(n)
}

// value walks over one value of a Go type of package ua.
func (w *walker) value(t reflect.Type, depth int) error {
	if depth > maxDepth {
		return malformed("values are nested deeper than %d", maxDepth)
	}
	switch t {
	case reflect.TypeFor[*ua.Variant]():
		return w.variant(depth)
	case reflect.TypeFor[*ua.DataValue]():
		return w.dataValue(depth)
	case reflect.TypeFor[*ua.ExtensionObject]():
		return w.extension(depth)
	case reflect.TypeFor[*ua.DiagnosticInfo]():
		return w.diagnostic(depth)
	case reflect.TypeFor[*ua.NodeID]():
		return w.nodeID(false)
	case reflect.TypeFor[*ua.ExpandedNodeID]():
		return w.nodeID(true)
	case reflect.TypeFor[*ua.LocalizedText]():
		return w.localized()
	case reflect.TypeFor[*ua.GUID]():
		return w.fixed(16, 48)
	}
	if t.ConvertibleTo(reflect.TypeFor[time.Time]()) {
		return w.skip(8)
	}
	switch t.Kind() {
	case reflect.Pointer:
		if t.Implements(reflect.TypeFor[ua.BinaryDecoder]()) {
			return malformed("%s has a decoder that is not known to be safe", t)
		}
		if err := w.spend(int(t.Elem().Size())); err != nil {
			return err
		}
		return w.value(t.Elem(), depth)
	case reflect.Struct:
		for i := range t.NumField() {
			if err := w.value(t.Field(i).Type, depth+1); err != nil {
				return err
			}
		}
		return nil
	case reflect.Slice:
		return w.slice(t.Elem(), depth)
	case reflect.String:
		return w.text()
	case reflect.Bool, reflect.Int8, reflect.Uint8, reflect.Int16, reflect.Uint16, reflect.Int32, reflect.Uint32,
		reflect.Int64, reflect.Uint64, reflect.Float32, reflect.Float64:
		return w.skip(int(t.Size()))
	}
	return malformed("%s is not a type of OPC UA messages", t)
}

func (w *walker) fixed(n, memory int) error {
	if err := w.spend(memory); err != nil {
		return err
	}
	return w.skip(n)
}

func (w *walker) slice(elem reflect.Type, depth int) error {
	if elem.Kind() == reflect.Uint8 {
		return w.text()
	}
	n, err := w.length()
	if err != nil || n <= 0 {
		return err
	}
	if err := w.spend(n * int(elem.Size())); err != nil {
		return err
	}
	for range n {
		if err := w.value(elem, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// nodeID is OPC 10000-6, 5.2.2.9 and 5.2.2.10.
func (w *walker) nodeID(expanded bool) error {
	mask, err := w.byte()
	if err != nil {
		return err
	}
	if err := w.spend(96); err != nil {
		return err
	}
	kind := ua.NodeIDType(mask & 0xf)
	size := 0
	switch kind {
	case ua.NodeIDTypeTwoByte:
		size = 1
	case ua.NodeIDTypeFourByte:
		size = 3
	case ua.NodeIDTypeNumeric:
		size = 6
	case ua.NodeIDTypeGUID:
		size = 18
	case ua.NodeIDTypeString, ua.NodeIDTypeByteString:
		size = 2
	default:
		return malformed("node id of unknown kind %d", kind)
	}
	if err := w.skip(size); err != nil {
		return err
	}
	if kind == ua.NodeIDTypeString || kind == ua.NodeIDTypeByteString {
		if err := w.text(); err != nil {
			return err
		}
	}
	if expanded && mask&0x80 != 0 {
		if err := w.text(); err != nil {
			return err
		}
	}
	if expanded && mask&0x40 != 0 {
		return w.skip(4)
	}
	return nil
}

func (w *walker) localized() error {
	mask, err := w.byte()
	if err != nil {
		return err
	}
	if err := w.spend(48); err != nil {
		return err
	}
	for _, bit := range []byte{ua.LocalizedTextLocale, ua.LocalizedTextText} {
		if mask&bit != 0 {
			if err := w.text(); err != nil {
				return err
			}
		}
	}
	return nil
}
