package opcua

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
)

// maxBrowsed bounds what one browse collects: address spaces may be endless.
const maxBrowsed = 100_000

// browsed is a node found under another.
type browsed struct {
	id    *ua.NodeID
	name  string // of the browse name
	qname *ua.QualifiedName
	class ua.NodeClass
}

// browsePath finds the nodes that a path leads to, from the root of the server.
func browsePath(ctx context.Context, ch *channel, path []step, namespaces []string, portion int) ([]browsed, error) {
	at := []browsed{{id: ua.NewNumericNodeID(0, id.RootFolder)}}
	for i, s := range path {
		below, err := children(ctx, ch, at, namespaces, portion)
		if err != nil {
			return nil, err
		}
		var next []browsed
		names := map[string]bool{}
		for _, b := range below {
			if s.matches(b.qname, namespaces) {
				next = append(next, b)
			}
			names[b.name] = true
		}
		if len(next) == 0 {
			list := sortedKeys(names)
			if len(list) > 12 {
				list = append(list[:12], "…")
			}
			return nil, fmt.Errorf("step %d, %q: no such node; there is %s", i+1, s.name, strings.Join(list, ", "))
		}
		at = next
	}
	return at, nil
}

// children browses the hierarchical references of nodes, each target once.
func children(ctx context.Context, ch *channel, of []browsed, namespaces []string, portion int) ([]browsed, error) {
	f := finder{namespaces: namespaces, seen: map[string]bool{}}
	for some := range slices.Chunk(of, portion) {
		req := &ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}}
		for _, b := range some {
			req.NodesToBrowse = append(req.NodesToBrowse, &ua.BrowseDescription{
				NodeID: b.id, BrowseDirection: ua.BrowseDirectionForward, ReferenceTypeID: ua.NewNumericNodeID(0, id.HierarchicalReferences),
				IncludeSubtypes: true, ResultMask: uint32(ua.BrowseResultMaskAll),
			})
		}
		res, err := call[*ua.BrowseResponse](ctx, ch, req, requestTimeout)
		if err != nil {
			return nil, err
		}
		err = f.all(res.Results, func(points [][]byte) ([]*ua.BrowseResult, error) {
			next, err := call[*ua.BrowseNextResponse](ctx, ch, &ua.BrowseNextRequest{ContinuationPoints: points}, requestTimeout)
			if err != nil {
				return nil, err
			}
			return next.Results, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return f.out, nil
}

// finder collects what a server answers to Browse.
type finder struct {
	namespaces []string
	out        []browsed
	seen       map[string]bool
}

// all takes results, and what next brings of those that are not whole.
func (f *finder) all(results []*ua.BrowseResult, next func(points [][]byte) ([]*ua.BrowseResult, error)) error {
	const mostEmpty = 10 // answers in a row without a new node
	for empty := 0; len(results) > 0; {
		before := len(f.out)
		more := f.take(results)
		if len(f.out) > maxBrowsed {
			return fmt.Errorf("more than %d nodes: begin deeper in the tree", maxBrowsed)
		}
		if len(more) == 0 {
			return nil
		}
		if empty++; len(f.out) > before {
			empty = 0
		}
		if empty == mostEmpty {
			return errors.New("the server answers Browse again and again with nothing new")
		}
		var err error
		if results, err = next(more); err != nil {
			return err
		}
	}
	return nil
}

// take keeps the nodes of results and returns where to go on.
func (f *finder) take(results []*ua.BrowseResult) (more [][]byte) {
	for _, r := range results {
		if r == nil || r.StatusCode != ua.StatusOK {
			continue
		}
		for _, ref := range r.References {
			if b, ok := local(ref, f.namespaces); ok && !f.seen[b.id.String()] {
				f.seen[b.id.String()] = true
				f.out = append(f.out, b)
			}
		}
		if len(r.ContinuationPoint) > 0 {
			more = append(more, r.ContinuationPoint)
		}
	}
	return more
}

// local takes a reference to a node of the same server.
func local(ref *ua.ReferenceDescription, namespaces []string) (browsed, bool) {
	if ref == nil || ref.NodeID == nil || ref.NodeID.NodeID == nil || ref.BrowseName == nil || ref.NodeID.ServerIndex != 0 {
		return browsed{}, false
	}
	target := ref.NodeID.NodeID
	if uri := ref.NodeID.NamespaceURI; uri != "" {
		index := slices.Index(namespaces, uri)
		if index < 0 {
			return browsed{}, false
		}
		moved, err := withNamespace(target, uint16(index))
		if err != nil {
			return browsed{}, false
		}
		target = moved
	}
	return browsed{id: target, name: ref.BrowseName.Name, qname: ref.BrowseName, class: ref.NodeClass}, true
}

func withNamespace(n *ua.NodeID, index uint16) (*ua.NodeID, error) {
	_, ident, found := strings.Cut(n.String(), ";")
	if !found {
		ident = n.String()
	}
	if ident == "" {
		return nil, errors.New("empty node id")
	}
	return ua.ParseNodeID(fmt.Sprintf("ns=%d;%s", index, ident))
}
