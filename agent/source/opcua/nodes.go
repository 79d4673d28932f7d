package opcua

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gopcua/opcua/ua"
)

// nodeRef is a node id as configured: the namespace by URI, so that it still
// means the same node when the server counts its namespaces anew.
type nodeRef struct {
	uri   string // "" with index
	index uint16
	ident string // "i=85", "s=Line1", "g=…", "b=…"
}

// parseNodeRef reads "nsu=URI;s=name", "ns=3;i=7" or "i=2253".
func parseNodeRef(text string) (nodeRef, error) {
	var ref nodeRef
	rest := text
	if after, ok := strings.CutPrefix(rest, "nsu="); ok {
		// The identifier begins behind the last "; of a known kind": URIs may hold
		// semicolons, identifiers more so, therefore the first match counts.
		at := -1
		for _, kind := range []string{";i=", ";s=", ";g=", ";b="} {
			if i := strings.Index(after, kind); i >= 0 && (at < 0 || i < at) {
				at = i
			}
		}
		if at <= 0 {
			return ref, fmt.Errorf("node id %q: expected nsu=URI;s=… (or i=, g=, b=)", text)
		}
		ref.uri, rest = after[:at], after[at+1:]
	} else if after, ok := strings.CutPrefix(rest, "ns="); ok {
		number, ident, found := strings.Cut(after, ";")
		index, err := strconv.ParseUint(number, 10, 16)
		if !found || err != nil {
			return ref, fmt.Errorf("node id %q: expected ns=NUMBER;s=…", text)
		}
		ref.index, rest = uint16(index), ident
	}
	ref.ident = rest
	if _, err := ref.node(0); err != nil {
		return nodeRef{}, fmt.Errorf("node id %q: %w", text, err)
	}
	return ref, nil
}

// node makes the id for a namespace index.
func (r nodeRef) node(index uint16) (*ua.NodeID, error) {
	if len(r.ident) < 3 || r.ident[1] != '=' {
		return nil, errors.New("expected i=NUMBER, s=TEXT, g=GUID or b=BASE64")
	}
	return ua.ParseNodeID(fmt.Sprintf("ns=%d;%s", index, r.ident))
}

// resolve finds the id in a server's namespaces.
func (r nodeRef) resolve(namespaces []string) (*ua.NodeID, error) {
	if r.uri == "" {
		return r.node(r.index)
	}
	index := slices.Index(namespaces, r.uri)
	if index < 0 {
		return nil, fmt.Errorf("the server has no namespace %q", r.uri)
	}
	return r.node(uint16(index))
}

// uriForm writes an id with its namespace URI, which a restart does not change.
func uriForm(id *ua.NodeID, namespaces []string) string {
	if id == nil {
		return ""
	}
	text := id.String()
	ns := int(id.Namespace())
	if ns == 0 || ns >= len(namespaces) {
		return text
	}
	_, ident, found := strings.Cut(text, ";")
	if !found {
		return text
	}
	return "nsu=" + namespaces[ns] + ";" + ident
}

// step is one segment of a browse path.
type step struct {
	uri    string // namespace of the name; "" means any
	name   string
	prefix bool // the name ended in *
}

// parsePath reads "/Objects/v:Line1/v:Press/v:FaultWord*": names from the root,
// each perhaps with the alias (or the number 0) of its namespace; a trailing * in
// a name matches all names that begin so.
func parsePath(text string, aliases map[string]string) ([]step, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok || rest == "" {
		return nil, fmt.Errorf("path %q: it begins with /, for example /Objects/…", text)
	}
	var steps []step
	for segment := range strings.SplitSeq(rest, "/") {
		var s step
		s.name = segment
		if alias, name, found := strings.Cut(segment, ":"); found {
			uri, known := aliases[alias]
			switch {
			case known:
				s.uri, s.name = uri, name
			case alias == "0":
				s.uri, s.name = standardNamespace, name
			default:
				return nil, fmt.Errorf("path %q: %q is not one of the namespaces (%s)", text, alias, strings.Join(sortedKeys(aliases), ", "))
			}
		}
		s.name, s.prefix = strings.CutSuffix(s.name, "*")
		if s.name == "" && !s.prefix {
			return nil, fmt.Errorf("path %q has an empty name", text)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// standardNamespace is namespace 0 of every server.
const standardNamespace = "http://opcfoundation.org/UA/"

// matches compares a browse name of a server with one step.
func (s step) matches(name *ua.QualifiedName, namespaces []string) bool {
	if name == nil {
		return false
	}
	if s.uri != "" && (int(name.NamespaceIndex) >= len(namespaces) || namespaces[name.NamespaceIndex] != s.uri) {
		return false
	}
	if s.prefix {
		return strings.HasPrefix(name.Name, s.name)
	}
	return name.Name == s.name
}
