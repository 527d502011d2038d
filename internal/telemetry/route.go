package telemetry

import (
	"slices"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// A route has two names in OpenTelemetry: servers have the one, clients, as the edges are, the other.
const (
	routeKey    = "http.route"
	templateKey = "url.template"
)

// routed lets a filter that asks for a route find the spans of edges too.
func routed(n *filter.Node) *filter.Node {
	switch {
	case n == nil:
		return nil
	case len(n.Kids) > 0:
		out := *n
		out.Kids = make([]*filter.Node, len(n.Kids))
		for i, k := range n.Kids {
			out.Kids[i] = routed(k)
		}
		return &out
	case n.Key != routeKey:
		return n
	}
	other, op := *n, filter.Or
	if other.Key = templateKey; slices.Contains([]filter.Op{filter.NotEqual, filter.NotMatch}, n.Op) {
		op = filter.And // neither may be it
	}
	return &filter.Node{Op: op, Kids: []*filter.Node{n, &other}, Column: n.Column}
}
