package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/scaffold/route"
)

// gateway is a service with a table of routes in its folder.
type gateway struct {
	service string
	path    string // of the table, absolute
	shown   string // what the user calls it
	text    []byte
	routes  []route.Route
}

// gateways returns those of a stack. A file that is called like a table and is something else makes none.
func gateways(st *stack.Stack) ([]gateway, error) {
	var all []gateway
	for _, s := range st.Services {
		if s.Source == "" {
			continue
		}
		g := gateway{service: s.Name, path: filepath.Join(s.Source, route.File)}
		var err error
		if g.text, err = os.ReadFile(g.path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if g.shown, _ = filepath.Rel(st.Dir, g.path); g.shown == "" {
			g.shown = g.path
		}
		if err == nil {
			g.routes, err = route.Read(g.text)
		}
		if errors.Is(err, route.ErrNoTable) {
			continue
		}
		if err != nil {
			return nil, failed("", "read %s: %w", clean(g.shown), err)
		}
		all = append(all, g)
	}
	return all, nil
}

// theGateway returns the one of that name, or the only one.
func theGateway(st *stack.Stack, name string) (gateway, error) {
	all, err := gateways(st)
	if err != nil {
		return gateway{}, err
	}
	var names []string
	for _, g := range all {
		if g.service == name || name == "" && len(all) == 1 {
			return g, nil
		}
		names = append(names, g.service)
	}
	switch {
	case len(all) == 0:
		return gateway{}, failed("`msctl new service gateway --template go-gateway` makes one",
			"find gateway: no service has a %s in its folder", route.File)
	case name == "":
		return gateway{}, usage("--gateway names one of "+list(names), "find gateway: there are %d", len(all))
	}
	return gateway{}, usage("--gateway names one of "+list(names), "find gateway: %q has no %s in its folder, or is no service", name, route.File)
}

// readRoute reads "/v1/billing" or "/v1/items=/items".
func readRoute(word string) (route.Route, error) {
	r, err := route.Parse(word)
	if err != nil {
		return r, usage("write /PREFIX or /PREFIX=/PATH, such as /v1/items=/items", "read route: %w", err)
	}
	return r, nil
}

// add returns the table with one route more.
func (g gateway) add(r route.Route) (stack.FileChange, error) {
	after, err := route.Add(g.text, r)
	if err != nil {
		return stack.FileChange{}, failed("", "add route %s to %s: %w", r.Prefix, clean(g.shown), err)
	}
	return stack.FileChange{Path: g.path, Shown: g.shown, Before: g.text, After: after}, nil
}

// routesTo returns what leads to a service: each line, and the tables without them.
func routesTo(st *stack.Stack, name string) (said []jsonMention, without []stack.FileChange, err error) {
	all, err := gateways(st)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range all {
		n := len(said)
		for _, r := range g.routes {
			if r.Service == name && g.service != name {
				said = append(said, jsonMention{g.shown, r.Line, fmt.Sprintf("the route %s leads to it", r.Prefix)})
			}
		}
		if len(said) == n {
			continue
		}
		after, err := route.Remove(g.text, name)
		if err != nil {
			return nil, nil, failed("take its routes away by hand", "remove routes from %s: %w", clean(g.shown), err)
		}
		without = append(without, stack.FileChange{Path: g.path, Shown: g.shown, Before: g.text, After: after})
	}
	return said, without, nil
}

// httpPort refuses to lead requests to what does not take them.
func httpPort(s *stack.Service) error {
	if _, open := s.Port("http"); open || len(s.Listen) == 1 {
		return nil
	}
	return usage("its ports: "+list(ports(s)), "add route: %s has no port http", s.Name)
}
