package cli

import (
	"context"
	"fmt"
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
	if listen := n.template.Service.Listen; len(listen) > 0 && !slices.Contains(listen, "http") {
		return usage("leave --route out", "read --route: a service of %s has no port http", n.template.Name)
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
	if err != nil || n.o.route != "" || n.resolvesNoRoute() {
		return
	}
	q.until(ctx, fmt.Sprintf("Route at %s, such as /v1/%s", g.service, n.values.Service), "none", func(s string) error {
		if n.o.route = s; s == "none" {
			n.o.route = ""
		}
		return n.resolveRoute()
	})
}

// resolvesNoRoute reports a template whose services no gateway can lead to.
func (n *newService) resolvesNoRoute() bool {
	listen := n.template.Service.Listen
	return n.template.Service.Public || len(listen) > 0 && listen[0] != "http"
}
