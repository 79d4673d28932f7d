package seal

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/linewatch/linewatch/shared/event"
)

//go:embed policy.csv
var defaultRules string

// What a rule says of a field.
const (
	// AsPerson: the value names a person. A pseudonym stands in its place and the
	// name is sealed with the key of that person.
	AsPerson = "person"
	// AsPersonal: sealed with the key of the event's person; of an event without
	// one with the key of the field set "personal".
	AsPersonal = "personal"
	// AsTarget: sealed with the key of the person that event_data.targetUser names, as
	// it is that person's data whoever acted; without one like AsPersonal.
	AsTarget = "target"
	// AsClear takes the field out of the policy. Any other word is the name of a
	// field set, and the field is sealed with the key of that set.
	AsClear = "clear"
)

// anywhere begins a path that means a name at any depth.
const anywhere = "**."

// Rule says what is done with one field of some types of events.
type Rule struct {
	Type string // exact name, a group such as user.*, or *
	Path string // event_data.a.b, or **.name: any depth, letters' case and _ and - don't count
	As   string // AsPerson, AsPersonal, AsTarget, AsClear, or a field set
	Why  string
}

// maxName is the longest name of the policy.
const maxName = 64

// Check says what is wrong with a rule.
func (r Rule) Check() error {
	group := strings.TrimSuffix(r.Type, ".*")
	if r.Type != "*" && !event.ValidType(r.Type) && (group == r.Type || !event.ValidType(group+".x")) {
		return fmt.Errorf("type %q is no event type, no group such as user.* and not *", r.Type)
	}
	name, any := strings.CutPrefix(r.Path, anywhere)
	if any && (fold(name) == "" || strings.ContainsAny(name, ".[")) {
		return fmt.Errorf("path %q: after **. comes one name", r.Path)
	}
	if len(fold(name)) > maxName || !any && len(fold(lastName(r.Path))) > maxName {
		return fmt.Errorf("path %q: the name has more than %d characters", r.Path, maxName)
	}
	if rest, ok := strings.CutPrefix(r.Path, "event_data."); !any && (!ok || rest == "") {
		return fmt.Errorf("path %q is neither event_data.<path> nor **.<name>", r.Path)
	}
	if !validSet(r.As) {
		return fmt.Errorf("as: %q is neither %s, %s, %s, %s nor the name of a field set ([a-z][a-z0-9_-]*)", r.As, AsPerson, AsPersonal, AsTarget, AsClear)
	}
	return nil
}

// covers tells whether the rule is about a type.
func (r Rule) covers(typ string) bool {
	if group, ok := strings.CutSuffix(r.Type, "*"); ok {
		return strings.HasPrefix(typ, group)
	}
	return r.Type == typ
}

// DefaultRules are the rules that hold where nobody says otherwise; they belong
// to the catalogue of event types.
func DefaultRules() ([]Rule, error) {
	lines, err := csv.NewReader(strings.NewReader(defaultRules)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("field policy: %w", err)
	}
	rules := make([]Rule, 0, len(lines))
	for i, l := range lines {
		if i == 0 {
			continue
		}
		r := Rule{l[0], l[1], l[2], l[3]}
		if err := r.Check(); err != nil {
			return nil, fmt.Errorf("field policy line %d: %w", i+1, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// Policy says of each field of an event whether it is sealed, and how. Its
// methods may be called concurrently.
type Policy struct {
	rules []Rule

	mu    sync.RWMutex
	types map[string]*Fields
}

// maxTypes bounds the cache of types; integrators make names of their own.
const maxTypes = 10_000

// NewPolicy returns the default rules with these after them. Where two rules
// speak of the same field, the one for the narrower type wins; of two alike, the later.
func NewPolicy(own []Rule) (*Policy, error) {
	rules, err := DefaultRules()
	if err != nil {
		return nil, err
	}
	var errs []error
	for i, r := range own {
		if err := r.Check(); err != nil {
			errs = append(errs, fmt.Errorf("rule %d: %w", i+1, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("field policy: %w", err)
	}
	return &Policy{rules: append(rules, own...), types: map[string]*Fields{}}, nil
}

// For returns what the policy says of the fields of one type.
func (p *Policy) For(typ string) *Fields {
	p.mu.RLock()
	f := p.types[typ]
	p.mu.RUnlock()
	if f != nil {
		return f
	}
	f = p.compile(typ)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.types) < maxTypes {
		p.types[typ] = f
	}
	return f
}

func (p *Policy) compile(typ string) *Fields {
	f := &Fields{exact: map[string]string{}, names: map[string]string{}}
	width := map[string]int{} // of the rule that decided
	for _, r := range p.rules {
		if !r.covers(typ) || len(r.Type) < width[r.Path] {
			continue
		}
		width[r.Path] = len(r.Type)
		if name, ok := strings.CutPrefix(r.Path, anywhere); ok {
			f.names[fold(name)] = r.As
		} else {
			f.exact[r.Path] = r.As
		}
	}
	for path := range f.exact {
		name := fold(lastName(path))
		if _, ok := f.names[name]; !ok {
			f.names[name] = ""
		}
	}
	return f
}

// Seals tells whether the field with this path is taken out of the leaf.
func (f *Fields) Seals(path string) bool {
	as, ok := f.exact[path]
	if !ok {
		as = f.names[fold(lastName(path))]
	}
	return as != "" && as != AsClear
}

// lastName is the last key of a path.
func lastName(path string) string {
	var name []byte
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && i+1 < len(path):
			i++
			name = append(name, path[i])
		case c == '.':
			name = name[:0]
		case c == '[': // event_data.a[0] means the whole of a
			return string(name)
		default:
			name = append(name, c)
		}
	}
	return string(name)
}

// fold is the form in which names at any depth are compared.
func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}
