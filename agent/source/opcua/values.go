package opcua

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/shared/event"
)

// maxElements bounds the elements of an array that become part of a reading.
const maxElements = 1000

// maxText bounds one text in bytes: a leaf holds 64 KiB in all.
const maxText = 16 << 10

// maxDepth bounds values inside values.
const maxDepth = 8

// value turns a variant into what the pipeline takes (see source.Reading.Value)
// and says what could not be kept.
func value(v *ua.Variant) (any, []event.Problem) {
	if v == nil {
		return nil, nil
	}
	c := converter{}
	out := c.any(v.Value(), 0)
	return out, c.problems
}

// converter collects the problems of one value.
type converter struct {
	problems []event.Problem
	elements int
}

func (c *converter) problem(reason string) {
	if len(c.problems) < 4 {
		c.problems = append(c.problems, event.Problem{Field: "value", Reason: reason})
	}
}

func (c *converter) any(v any, depth int) any {
	if depth > maxDepth {
		c.problem("nested too deeply")
		return nil
	}
	switch x := v.(type) {
	case nil:
		return nil
	case bool, int64, uint64:
		return v
	case string:
		return c.text(x)
	case float32:
		return c.float(shortest(x))
	case float64:
		return c.float(x)
	case int32:
		return int64(x)
	case int16:
		return int64(x)
	case uint32:
		return uint64(x)
	case uint16:
		return uint64(x)
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	case []byte: // ByteString; an array of Byte is ua.ByteArray
		return base64.StdEncoding.EncodeToString(x)
	case ua.StatusCode:
		return uint64(x)
	case ua.XMLElement:
		return c.text(string(x))
	}
	if out, ok := c.structured(v, depth); ok {
		return out
	}
	return c.reflected(reflect.ValueOf(v), depth)
}

// structured handles the built-in types of OPC UA that are structures in Go.
func (c *converter) structured(v any, depth int) (any, bool) {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && rv.IsNil() {
		return nil, true
	}
	switch x := v.(type) {
	case *ua.Variant:
		return c.any(x.Value(), depth+1), true
	case *ua.DataValue:
		if x.Value == nil {
			return nil, true
		}
		return c.any(x.Value.Value(), depth+1), true
	case *ua.LocalizedText:
		return c.text(x.Text), true
	case *ua.QualifiedName:
		return c.text(x.Name), true
	case *ua.NodeID:
		return c.text(x.String()), true
	case *ua.ExpandedNodeID:
		if x.NodeID == nil {
			return nil, true
		}
		return c.text(x.String()), true
	case *ua.GUID:
		return c.text(x.String()), true
	case *ua.ExtensionObject:
		return c.extension(x), true
	}
	return nil, false
}

// extension keeps a structure that gopcua knows as JSON; of one it does not know
// only the type is left, because gopcua drops its bytes.
func (c *converter) extension(x *ua.ExtensionObject) any {
	if x.Value == nil {
		id := ""
		if x.TypeID != nil && x.TypeID.NodeID != nil {
			id = x.TypeID.NodeID.String()
		}
		c.problem("structure of unknown type " + id)
		return nil
	}
	text, err := json.Marshal(x.Value)
	if err == nil {
		text, err = event.Normalize(text)
	}
	if err != nil {
		c.problem(fmt.Sprintf("structure %T can't be written: %v", x.Value, err))
		return nil
	}
	return json.RawMessage(text)
}

// text keeps what a leaf can hold: valid UTF-8 without NUL, of bounded length.
func (c *converter) text(s string) string {
	if len(s) > maxText {
		c.problem(fmt.Sprintf("text cut after %d bytes", maxText))
		s = event.Shorten(s, maxText)
	}
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	c.problem("text with NUL or invalid UTF-8, replaced")
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

func (c *converter) float(x float64) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		c.problem(fmt.Sprint(x))
		return nil
	}
	return x
}

// shortest gives the float64 that prints as the float32 does: 41.3, not 41.29999923706055.
// Most values have few decimals; the least number of them that gives the same
// float32 is what printing would find, much slower.
func shortest(x float32) float64 {
	const exact = 1 << 24 // below it, and with so few decimals, nothing is rounded twice
	if v := float64(x); v > -exact && v < exact {
		for _, scale := range [...]float64{1, 10, 100, 1000} {
			if r := math.RoundToEven(v*scale) / scale; float32(r) == x {
				return r
			}
		}
	}
	out, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
	if err != nil {
		return float64(x)
	}
	return out
}

func (c *converter) reflected(rv reflect.Value, depth int) any {
	switch rv.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		return rv.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		return rv.Uint()
	case reflect.Slice, reflect.Array:
		list := []any{}
		for i := range rv.Len() {
			if c.elements >= maxElements {
				c.problem(fmt.Sprintf("array cut after %d elements", maxElements))
				break
			}
			element := rv.Index(i)
			if element.Kind() != reflect.Slice {
				c.elements++
			}
			list = append(list, c.any(element.Interface(), depth+1))
		}
		return list
	}
	c.problem(fmt.Sprintf("type %s is not supported", rv.Type()))
	return nil
}
