package secure

import (
	"fmt"
	"reflect"

	"github.com/gopcua/opcua/ua"
)

// variant is OPC 10000-6, 5.2.2.16.
func (w *walker) variant(depth int) error {
	mask, err := w.byte()
	if err != nil {
		return err
	}
	if err := w.spend(128); err != nil {
		return err
	}
	kind := ua.TypeID(mask & 0x3f)
	if kind == ua.TypeIDNull {
		return nil
	}
	if mask&ua.VariantArrayValues == 0 {
		return w.builtin(kind, depth+1)
	}
	n, err := w.length()
	if err != nil {
		return err
	}
	// The decoder takes 24 bytes for the header of a text, 16 at most of others.
	if err := w.spend(max(n, 0) * 24); err != nil {
		return err
	}
	for range n {
		if err := w.builtin(kind, depth+1); err != nil {
			return err
		}
	}
	if mask&ua.VariantArrayDimensions == 0 {
		return nil
	}
	return w.dimensions(n)
}

// dimensions of a matrix must make up exactly the elements that it has.
func (w *walker) dimensions(elements int) error {
	n, err := w.length()
	if err != nil {
		return err
	}
	if n < 0 || n > maxDimensions {
		return malformed("an array has %d dimensions, at most %d are taken", n, maxDimensions)
	}
	product := int64(1)
	for range n {
		size, err := w.int32()
		if err != nil {
			return err
		}
		product *= int64(size)
		if size < 1 || product > int64(max(elements, 0)) {
			return malformed("the dimensions of an array do not make up its %d elements", elements)
		}
	}
	if n > 0 && product != int64(elements) {
		return malformed("the dimensions of an array do not make up its %d elements", elements)
	}
	// Every level of a matrix repeats slice headers.
	return w.spend(n * max(elements, 0) * 24)
}

func (w *walker) builtin(kind ua.TypeID, depth int) error {
	if n := fixedSize(kind); n > 0 {
		return w.skip(n)
	}
	t := builtinType(kind)
	if t == nil {
		return malformed("a value of unknown type %d", kind)
	}
	return w.value(t, depth)
}

// dataValue is OPC 10000-6, 5.2.2.17.
func (w *walker) dataValue(depth int) error {
	mask, err := w.byte()
	if err != nil {
		return err
	}
	if err := w.spend(256); err != nil {
		return err
	}
	if mask&ua.DataValueValue != 0 {
		if err := w.value(reflect.TypeFor[*ua.Variant](), depth+1); err != nil {
			return err
		}
	}
	return w.masked(mask, []sized{
		{ua.DataValueStatusCode, 4},
		{ua.DataValueSourceTimestamp, 8},
		{ua.DataValueServerTimestamp, 8},
		{ua.DataValueSourcePicoseconds, 2},
		{ua.DataValueServerPicoseconds, 2},
	})
}

type sized struct {
	bit  byte
	size int
}

func (w *walker) masked(mask byte, fields []sized) error {
	for _, f := range fields {
		if mask&f.bit != 0 {
			if err := w.skip(f.size); err != nil {
				return err
			}
		}
	}
	return nil
}

// diagnostic is OPC 10000-6, 5.2.2.12.
func (w *walker) diagnostic(depth int) error {
	mask, err := w.byte()
	if err != nil {
		return err
	}
	if err := w.spend(64); err != nil {
		return err
	}
	if err := w.masked(mask, []sized{
		{ua.DiagnosticInfoSymbolicID, 4},
		{ua.DiagnosticInfoNamespaceURI, 4},
		{ua.DiagnosticInfoLocale, 4},
		{ua.DiagnosticInfoLocalizedText, 4},
	}); err != nil {
		return err
	}
	if mask&ua.DiagnosticInfoAdditionalInfo != 0 {
		if err := w.text(); err != nil {
			return err
		}
	}
	if mask&ua.DiagnosticInfoInnerStatusCode != 0 {
		if err := w.skip(4); err != nil {
			return err
		}
	}
	if mask&ua.DiagnosticInfoInnerDiagnosticInfo != 0 {
		return w.value(reflect.TypeFor[*ua.DiagnosticInfo](), depth+1)
	}
	return nil
}

// extension is OPC 10000-6, 5.2.2.15: a body whose type gopcua knows is decoded at
// once, so it is walked over too; others stay bytes.
func (w *walker) extension(depth int) error {
	before := w.left
	if err := w.nodeID(true); err != nil {
		return err
	}
	id := before[:len(before)-len(w.left)]
	mask, err := w.byte()
	if err != nil {
		return err
	}
	if err := w.spend(64); err != nil {
		return err
	}
	if mask == ua.ExtensionObjectEmpty {
		return nil
	}
	n, err := w.length()
	if err != nil || n <= 0 {
		return err
	}
	body := &walker{left: w.left[:n], budget: w.budget}
	if err := w.skip(n); err != nil {
		return err
	}
	if mask == ua.ExtensionObjectXML {
		return body.text()
	}
	t, err := bodyType(id)
	if err != nil {
		return err
	}
	if t == nil {
		return nil
	}
	if err := body.value(t, depth+1); err != nil {
		return err
	}
	w.budget = body.budget
	return nil
}

// bodyType asks gopcua which Go type it has for an extension object: its registry
// is not exported, but an object with a body of one zero byte, far too short to
// hold anything, is decoded far enough to show it.
func bodyType(id []byte) (t reflect.Type, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = malformed("a structure of a type that cannot be looked up: %s", fmt.Sprint(r))
		}
	}()
	probe := new(ua.ExtensionObject)
	wire := append(append([]byte{}, id...), ua.ExtensionObjectBinary, 1, 0, 0, 0, 0)
	_, _ = probe.Decode(wire) // a body this short is an error for almost every type
	if probe.Value == nil {
		return nil, nil
	}
	return reflect.TypeOf(probe.Value), nil
}
