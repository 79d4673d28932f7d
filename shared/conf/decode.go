package conf

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/linewatch/linewatch/shared/nearest"
)

// maxAliases bounds how often aliases are followed, so that no file grows
// without end in memory.
const maxAliases = 10000

// decoder walks the nodes and fills the struct.
type decoder struct {
	report  *Report
	partial bool
	anchors map[string]ast.Node
	aliases int
}

// mistake reports what is wrong at a node.
func (d *decoder) mistake(n ast.Node, path, message, suggestion string) {
	m := Mistake{File: d.report.places.file, Path: path, Message: message, Suggestion: suggestion}
	m.Line, m.Column = placeOf(n)
	d.report.mistakes = append(d.report.mistakes, m)
}

// placeOf returns where a node begins.
func placeOf(n ast.Node) (line, column int) {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key // the token of a block mapping is its first colon
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line, t.Position.Column
	}
	return 0, 0
}

// note remembers where a path stands.
func (d *decoder) note(path string, n ast.Node) {
	line, column := placeOf(n)
	d.report.places.at[path] = place{line, column}
}

// resolve goes through anchors and aliases; nil for null and for what is absent.
func (d *decoder) resolve(n ast.Node, path string) ast.Node {
	for {
		switch x := n.(type) {
		case *ast.AnchorNode:
			d.anchors[x.Name.String()] = x.Value
			n = x.Value
		case *ast.AliasNode:
			target, ok := d.anchors[x.Value.String()]
			if !ok {
				d.mistake(n, path, "no anchor is called "+x.Value.String(), "")
				return nil
			}
			if d.aliases++; d.aliases > maxAliases {
				d.mistake(n, path, "too many aliases", "")
				return nil
			}
			n = target
		case *ast.TagNode:
			d.mistake(n, path, "tags have no meaning here", "")
			return nil
		case *ast.NullNode, nil:
			return nil
		case *ast.CommentGroupNode:
			return nil
		default:
			return n
		}
	}
}

// value decodes a node into v; without a node the default stays.
func (d *decoder) value(n ast.Node, v reflect.Value, path string, tags fieldTags) {
	if n = d.resolve(n, path); n != nil {
		d.note(path, n)
	}
	if n == nil {
		d.absent(v, path, tags)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.unmarshal(n, u, path)
		return
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d.duration(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem(), path, tags)
		v.Set(p)
	case reflect.Slice:
		d.slice(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Interface:
		v.Set(reflect.ValueOf(plain(n)))
	default:
		d.scalar(n, v, path, tags)
	}
}

// absent sets the default of a value that the file does not have.
func (d *decoder) absent(v reflect.Value, path string, tags fieldTags) {
	switch {
	case tags.value != "":
		if err := setDefault(v, tags.value); err != nil {
			panic(fmt.Sprintf("conf: default of %s: %v", path, err)) // a mistake in the program
		}
	case tags.required && !d.partial:
		d.report.Add(path, "is missing")
	}
	if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
		if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); !ok {
			d.structure(nil, v, path)
		}
	}
}

// structure decodes a mapping into the fields of a struct.
func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	met := make([]ast.Node, len(fields))
	if n != nil {
		members, ok := d.members(n, path)
		if !ok {
			return
		}
		for _, m := range members {
			i := indexOf(fields, m.key)
			if i < 0 {
				d.unknown(m, v.Type(), fields, path)
				continue
			}
			if met[i] != nil {
				d.mistake(m.node.Key, join(path, m.key), "stands there twice", "")
				continue
			}
			met[i] = m.node.Value
			d.note(join(path, m.key), m.node.Key)
		}
	}
	for i, f := range fields {
		d.value(met[i], v.FieldByIndex(f.index), join(path, f.name), f.tags)
	}
}

func (d *decoder) unknown(m member, t reflect.Type, fields []field, path string) {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	folded := strings.ToLower(strings.ReplaceAll(m.key, "-", "_"))
	suggestion := nearest.To(folded, names)
	message := "unknown key"
	if suggestion == "" {
		if where := elsewhere(t, folded); where != "" {
			message += "; it belongs into " + where
		} else {
			message += "; known here: " + strings.Join(names, ", ")
		}
	}
	d.mistake(m.node.Key, join(path, m.key), message, suggestion)
}

// elsewhere finds the part of a configuration, below t, that has a key.
func elsewhere(t reflect.Type, key string) string {
	for _, f := range fieldsOf(t) {
		inner, suffix := f.typ, ""
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Map {
			if inner.Kind() == reflect.Slice {
				suffix += "[]"
			}
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct || inner == t {
			continue
		}
		if indexOf(fieldsOf(inner), key) >= 0 {
			return f.name + suffix
		}
		if below := elsewhere(inner, key); below != "" {
			return f.name + suffix + "." + below
		}
	}
	return ""
}

// member is one key of a mapping.
type member struct {
	key  string
	node *ast.MappingValueNode
}

// members lists the keys of a mapping; << takes over those of another one.
func (d *decoder) members(n ast.Node, path string) ([]member, bool) {
	var nodes []*ast.MappingValueNode
	switch x := n.(type) {
	case *ast.MappingNode:
		nodes = x.Values
	case *ast.MappingValueNode:
		nodes = []*ast.MappingValueNode{x}
	default:
		d.mistake(n, path, "must have keys (name: value), not "+kindOf(n), "")
		return nil, false
	}
	var own, merged []member
	for _, m := range nodes {
		if m.Key.Type() == ast.MergeKeyType {
			if base := d.resolve(m.Value, path); base != nil {
				list, _ := d.members(base, path)
				merged = append(merged, list...)
			}
			continue
		}
		own = append(own, member{keyText(m.Key), m})
	}
	for _, m := range merged {
		known := false
		for _, o := range own {
			known = known || o.key == m.key
		}
		if !known {
			own = append(own, m)
		}
	}
	return own, true
}

func keyText(k ast.MapKeyNode) string {
	switch x := k.(type) {
	case *ast.StringNode:
		return x.Value
	case *ast.MappingKeyNode:
		return x.Value.String()
	}
	return k.GetToken().Value
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) slice(n ast.Node, v reflect.Value, path string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mistake(n, path, "must be a list (- one, - two), not "+kindOf(n), "")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, item := range list.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.value(item, out.Index(i), at, fieldTags{required: true})
	}
	v.Set(out)
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, path string) {
	members, ok := d.members(n, path)
	if !ok {
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(members))
	for _, m := range members {
		at := join(path, m.key)
		key := reflect.New(v.Type().Key()).Elem()
		if reason := setScalar(key, m.key); reason != "" {
			d.mistake(m.node.Key, at, "the key "+reason, "")
			continue
		}
		if out.MapIndex(key).IsValid() {
			d.mistake(m.node.Key, at, "stands there twice", "")
			continue
		}
		d.note(at, m.node.Key)
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(m.node.Value, item, at, fieldTags{})
		out.SetMapIndex(key, item)
	}
	v.Set(out)
}

// kindOf names what a node is, for messages.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	}
	return "a text"
}

// scalarText returns the text of a scalar as it stands in the file.
func scalarText(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.LiteralNode:
		return x.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, path string, tags fieldTags) {
	text, ok := scalarText(n)
	if !ok {
		d.mistake(n, path, "must be "+wanted(v.Kind())+", not "+kindOf(n), "")
		return
	}
	if _, isText := n.(*ast.StringNode); isText && v.Kind() != reflect.String {
		d.mistake(n, path, fmt.Sprintf("must be %s, not the text %q", wanted(v.Kind()), text), boolMeant(v.Kind(), text))
		return
	}
	// strconv takes 1 for true; a person who writes it may mean a number.
	if _, isBool := n.(*ast.BoolNode); v.Kind() == reflect.Bool && !isBool {
		d.mistake(n, path, "must be true or false, not "+kindOf(n), "")
		return
	}
	if reason := setScalar(v, text); reason != "" {
		d.mistake(n, path, reason, "")
		return
	}
	if len(tags.enum) > 0 && indexText(tags.enum, text) < 0 {
		d.mistake(n, path, fmt.Sprintf("%q is none of %s", text, strings.Join(tags.enum, ", ")), enumMeant(text, tags.enum))
	}
}

func enumMeant(text string, enum []string) string {
	for _, e := range enum {
		if strings.EqualFold(e, text) {
			return e
		}
	}
	return nearest.To(text, enum)
}

func boolMeant(k reflect.Kind, text string) string {
	if k != reflect.Bool {
		return ""
	}
	switch strings.ToLower(text) {
	case "yes", "on", "y":
		return "true"
	case "no", "off", "n":
		return "false"
	}
	return ""
}

func wanted(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// setScalar sets a scalar from its text; the reason says why it can't.
func setScalar(v reflect.Value, text string) (reason string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return "must be true or false"
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, v.Type().Bits())
		if leadingZero(text) {
			return zeroFault
		}
		if err != nil {
			return "must be a whole number" + inRange(v.Type())
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 0, v.Type().Bits())
		if leadingZero(text) {
			return zeroFault
		}
		if err != nil {
			return "must be a whole number from 0" + inRange(v.Type())
		}
		v.SetUint(u)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return "must be a finite number"
		}
		v.SetFloat(f)
	default:
		return "has a type that no file can hold"
	}
	return ""
}

const zeroFault = "has a leading zero: write it without"

// leadingZero reports a whole number such as 010, which is 8 to some readers of YAML
// and 10 to people.
func leadingZero(text string) bool {
	digits := strings.TrimLeft(text, "+-")
	return len(digits) > 1 && digits[0] == '0' && '0' <= digits[1] && digits[1] <= '9'
}

func inRange(t reflect.Type) string {
	if t.Bits() >= 64 {
		return ""
	}
	return fmt.Sprintf(" of at most %d bits", t.Bits())
}
