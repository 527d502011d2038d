package cli

import (
	"context"
	"path/filepath"
	"slices"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/scaffold"
	"msctl.dev/msctl/scaffold/route"
)

// newRoute is how requests get to a new service.
type newRoute struct {
	gateway gateway
	table   stack.FileChange
	route   route.Route
}

// resolveRoute reads --route, and finds the gateway.
func (n *newService) resolveRoute() error {
	n.route = nil
	if n.o.route == "" {
		if n.o.gateway != "" || n.o.open {
			return usage("say --route /v1/"+n.values.Service, "read --gateway and --open: there is no --route")
		}
		return nil
	}
	if err := n.routable(); err != nil {
		return err
	}
	to, err := routeOptions{open: n.o.open}.read(n.o.route)
	if err != nil {
		return err
	}
	to.Service = n.values.Service
	g, err := theGateway(n.stack, n.o.gateway)
	if err != nil {
		return err
	}
	table, err := g.add(to)
	if err != nil {
		return err
	}
	n.route = &newRoute{g, table, to}
	return nil
}

// rewire adds the edge from the gateway to the text of stack.yaml, and returns the gateway's table with the
// route in it. Without --route nothing changes.
func (n *newService) rewire(text []byte) ([]byte, []scaffold.Rewrite, error) {
	if n.route == nil {
		return text, nil, nil
	}
	doc, err := stack.Edit(text)
	if err != nil {
		return nil, nil, err
	}
	g := n.route.gateway
	if err := doc.AddOptionalCall(g.service, n.values.Service, ""); err != nil {
		return nil, nil, failed("leave --route out, and then `msctl add route "+n.o.route+" "+n.values.Service+"`", "add edge %s:%s: %w",
			g.service, n.values.Service, err)
	}
	name, err := filepath.Rel(n.stack.Dir, g.path)
	if err != nil {
		return nil, nil, err
	}
	if name = filepath.ToSlash(name); scaffold.CheckPath(name) != nil {
		return nil, nil, failed("`msctl add route` changes it", "add route to %s: it is not below the stack's folder", clean(g.shown))
	}
	return doc.Bytes(), []scaffold.Rewrite{{Path: name, Before: n.route.table.Before, After: n.route.table.After}}, nil
}

// askRoute asks how requests get to the service, where there is a gateway.
func (n *newService) askRoute(ctx context.Context, q *questions) {
	g, err := theGateway(n.stack, n.o.gateway)
	if err != nil || n.o.route != "" || n.routable() != nil || n.template.Service.Public {
		return
	}
	q.until(ctx, "Route at "+g.service, "such as /v1/"+n.values.Service, "none", func(s string) error {
		if n.o.route = s; s == "none" {
			n.o.route = ""
		}
		return n.resolveRoute()
	})
}

// routable refuses a template whose services have nothing to ask for over HTTP.
func (n *newService) routable() error {
	t := n.template
	switch {
	case t.Events.Only:
		return usage("leave --route out", "read --route: a service of %s handles events, and its HTTP port is for health alone", t.Name)
	case len(t.Service.Listen) > 0 && !slices.Contains(t.Service.Listen, "http"):
		return usage("leave --route out", "read --route: a service of %s has no port http", t.Name)
	case len(t.Service.Listen) > 0 && t.Service.Listen[0] != "http":
		return usage("leave --route out; once there is more, `msctl add route "+n.o.route+" "+n.values.Service+"` leads to it",
			"read --route: a service of %s is asked over %s, and its HTTP port is for health alone", t.Name, t.Service.Listen[0])
	}
	return nil
}
