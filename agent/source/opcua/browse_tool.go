package opcua

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/gopcua/opcua/ua"

	"github.com/linewatch/linewatch/agent/config"
)

// BrowseOptions says where to look.
type BrowseOptions struct {
	// Path to begin at, as in the configuration; "" = /Objects.
	Path string
	// Depth of levels below; 0 = 5.
	Depth int
	// Max variables; 0 = 1,000.
	Max int
	// Standard includes what every server has: the Server object, and variables of
	// OPC UA's own namespace.
	Standard bool
}

// Variable is one variable found by Browse.
type Variable struct {
	ID    string // with namespace URI, as in the configuration
	Path  string // browse names from the root, for people
	Name  string
	Value any // as a reading would carry it
	// Quality is the OPC UA status of the value, 0 for good.
	Quality uint32
}

// Browse lists the variables below a path with their present values.
func Browse(ctx context.Context, cfg config.OPCUA, opts Options, where BrowseOptions) ([]Variable, error) {
	if where.Depth <= 0 {
		where.Depth = 5
	}
	if where.Max <= 0 {
		where.Max = 1000
	}
	if where.Path == "" {
		where.Path = "/Objects"
	}
	// Nothing of the configured groups is needed, and a mistake there no obstacle.
	cfg.Groups, cfg.Alarms = nil, nil
	path, err := parsePath(where.Path, cfg.Namespaces)
	if err != nil {
		return nil, err
	}
	var found []Variable
	err = visit(ctx, cfg, opts, func(e *engine, ch *channel) error {
		w := walk{e: e, ch: ch, where: where, seen: map[string]bool{}}
		start, err := browsePath(ctx, ch, path, e.session.Namespaces, e.granted.portion(e.granted.NodesPerBrowse))
		if err != nil {
			return err
		}
		for _, b := range start {
			if err := w.down(ctx, b, above(path)+"/"+b.name, where.Depth); err != nil {
				return err
			}
		}
		found = w.found
		return w.values(ctx)
	})
	return found, err
}

// above is the path to the last step, without aliases.
func above(path []step) string {
	var b strings.Builder
	for _, s := range path[:len(path)-1] {
		b.WriteString("/" + s.name)
	}
	return b.String()
}

// walk goes down a tree; a server may have loops, so each node counts once.
type walk struct {
	e     *engine
	ch    *channel
	where BrowseOptions
	seen  map[string]bool
	found []Variable
	ids   []*ua.NodeID
}

// serverObject is in every server and says nothing about the equipment.
const serverObject = "i=2253"

func (w *walk) down(ctx context.Context, at browsed, path string, depth int) error {
	key := at.id.String()
	if w.seen[key] || len(w.found) >= w.where.Max || (key == serverObject && !w.where.Standard) {
		return nil
	}
	w.seen[key] = true
	if at.class == ua.NodeClassVariable && (w.where.Standard || at.id.Namespace() != 0) {
		w.found = append(w.found, Variable{ID: uriForm(at.id, w.e.session.Namespaces), Path: path, Name: at.name})
		w.ids = append(w.ids, at.id)
	}
	if depth == 0 {
		return nil
	}
	below, err := children(ctx, w.ch, []browsed{at}, w.e.session.Namespaces, 1)
	if err != nil {
		return err
	}
	for _, b := range below {
		if err := w.down(ctx, b, path+"/"+b.name, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// values reads what the variables hold now.
func (w *walk) values(ctx context.Context) error {
	values, err := readValues(ctx, w.ch, w.ids, w.e.granted.portion(w.e.granted.NodesPerRead))
	if err != nil {
		return err
	}
	for i, v := range values {
		if v == nil {
			continue
		}
		w.found[i].Quality = uint32(v.Status)
		w.found[i].Value, _ = value(v.Value)
	}
	return nil
}

// YAML is the opcua: block of a configuration with these variables, ready to be
// pasted; the present values stand beside them as comments.
func YAML(cfg config.OPCUA, found []Variable) string {
	var b strings.Builder
	name := cfg.Name
	if name == "" {
		name = "server-1"
	}
	fmt.Fprintf(&b, "opcua:\n  - name: %s\n    endpoint: %s\n", name, quoted(cfg.Endpoint))
	fmt.Fprintf(&b, "    security: {policy: %s, mode: %s}\n", cfg.Security.Policy, cfg.Security.Mode)
	if cfg.AllowInsecure {
		b.WriteString("    allow_insecure: true\n")
	}
	if cfg.Auth.User != "" {
		fmt.Fprintf(&b, "    auth: {user: %s, password_file: %s}\n", quoted(cfg.Auth.User), quoted(cfg.Auth.PasswordFile))
	}
	b.WriteString("    cover_outage: 5m\n    groups:\n      - name: states\n        sampling: 1s\n        nodes:\n")
	used := map[string]int{}
	for _, v := range found {
		as := signalName(v.Path)
		if used[as]++; used[as] > 1 {
			as = fmt.Sprintf("%s.%d", as, used[as])
		}
		fmt.Fprintf(&b, "          - {id: %s, as: %s}", quoted(v.ID), as)
		if v.Quality != 0 {
			fmt.Fprintf(&b, "   # %s", statusText(ua.StatusCode(v.Quality)))
		} else if text := oneLine(v.Value); text != "" {
			fmt.Fprintf(&b, "   # now %s", text)
		}
		b.WriteByte('\n')
	}
	if len(found) == 0 {
		b.WriteString("          []\n")
	}
	return b.String()
}

// CSV writes one line per variable: id, path, name, value.
func CSV(out io.Writer, found []Variable) error {
	w := csv.NewWriter(out)
	_ = w.Write([]string{"id", "path", "name", "value"}) // Error below tells
	for _, v := range found {
		_ = w.Write([]string{v.ID, v.Path, v.Name, oneLine(v.Value)})
	}
	w.Flush()
	return w.Error()
}

// signalName makes a name of the last three steps of a path.
func signalName(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) > 1 {
		parts = parts[1:] // Objects
	}
	if len(parts) > 3 {
		parts = parts[len(parts)-3:]
	}
	clean := regexp.MustCompile(`[^a-z0-9_]+`)
	for i, p := range parts {
		parts[i] = strings.Trim(clean.ReplaceAllString(strings.ToLower(p), "_"), "_")
		if parts[i] == "" {
			parts[i] = "x"
		}
	}
	return strings.Join(parts, ".")
}

// quoted is a YAML double-quoted text.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// oneLine shortens a value for a comment.
func oneLine(v any) string {
	if v == nil {
		return ""
	}
	text := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, fmt.Sprint(v))), " ")
	if r := []rune(text); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return text
}
