package cli

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/state"
)

// selection is the edges that --edges names, beside those that the fleet has.
type selection struct {
	targets []string // as they were typed
	fleet   []state.Edge
}

// check refuses what is not in the fleet, with the nearest name that is.
func (n selection) check() error {
	var titles []string
	for _, e := range n.fleet {
		titles = append(titles, state.EdgeTitle(e.Name()))
	}
	for _, t := range n.targets {
		on := state.Fault{Target: state.EdgeName(t)}
		known := slices.ContainsFunc(n.fleet, func(e state.Edge) bool { return on.On(e.From, e.To, e.Listen) })
		if strings.ContainsAny(t, "*+") {
			if err := n.checkSides(t); err != nil {
				return err
			}
		}
		if known {
			continue
		}
		all := titles
		if strings.Contains(t, "/") {
			all = nil
			for _, e := range n.fleet {
				all = append(all, state.EdgeTitle(e.Name())+"/"+e.Listen)
			}
		}
		return usage(meant(t, all, edgesHint), "read --edges: this fleet has no edge %q", t)
	}
	return nil
}

const edgesHint = "`msctl edges` lists them"

// checkSides refuses a service that makes no call, or is not called, in what means several edges.
func (n selection) checkSides(target string) error {
	bare, _, _ := strings.Cut(state.EdgeName(target), "/")
	from, to, _ := strings.Cut(bare, ":")
	var callers, callees []string
	for _, e := range n.fleet {
		callers, callees = append(callers, e.From), append(callees, e.To)
	}
	for name := range strings.SplitSeq(from, "+") {
		if name != "*" && !slices.Contains(callers, name) {
			return usage(meant(name, callers, edgesHint), "read --edges: no edge of this fleet begins at %q", name)
		}
	}
	for name := range strings.SplitSeq(to, "+") {
		if name != "*" && !slices.Contains(callees, name) {
			return usage(meant(name, callees, edgesHint), "read --edges: no edge of this fleet leads to %q", name)
		}
	}
	return nil
}

// over reports whether a call goes over an edge that is named. None that is named means all.
func (n selection) over(c explore.Call) bool {
	return len(n.targets) == 0 || slices.ContainsFunc(n.targets, func(t string) bool { return n.one(t, c) })
}

// one reports whether a call goes over what one target means. A call does not say which port of the callee it went to:
// where there are several, the protocol tells.
func (n selection) one(target string, c explore.Call) bool {
	on := state.Fault{Target: state.EdgeName(target)}
	if !strings.Contains(target, "/") {
		return on.On(c.Caller(), c.Callee(), "")
	}
	var ports []state.Edge
	for _, e := range n.fleet {
		if e.From == c.Caller() && e.To == c.Callee() {
			ports = append(ports, e)
		}
	}
	return slices.ContainsFunc(ports, func(e state.Edge) bool {
		return (len(ports) == 1 || e.Protocol == c.Proto) && on.On(e.From, e.To, e.Listen)
	})
}

// untouched are the targets over which none of the calls goes.
func (n selection) untouched(calls []explore.Call) (targets []string) {
	for _, t := range n.targets {
		if !slices.ContainsFunc(calls, func(c explore.Call) bool { return n.one(t, c) }) {
			targets = append(targets, t)
		}
	}
	return targets
}

// idle is the error of a search that had nothing to disturb, or nil: it shows nothing, whatever was asked.
func (x *exploring) idle(calls []explore.Call) error {
	if len(calls) == 0 || slices.ContainsFunc(calls, func(c explore.Call) bool { return len(x.modes(c)) > 0 }) {
		return nil
	}
	over := slices.DeleteFunc(slices.Clone(calls), func(c explore.Call) bool { return !x.edges.over(c) })
	inside := slices.DeleteFunc(slices.Clone(over), func(c explore.Call) bool { return c.Caller() == "" })
	untouched := x.edges.untouched(calls)
	touched := slices.DeleteFunc(slices.Clone(x.edges.targets), func(t string) bool { return slices.Contains(untouched, t) })
	named := "of the request"
	if len(x.edges.targets) > 0 {
		named = "over " + list(touched)
	}
	switch {
	case len(over) == 0:
		return usage("without --edges every call of the request is disturbed",
			"nothing was searched: the request leads to no call over %s", list(x.edges.targets))
	case len(inside) == 0 && len(x.edges.targets) > 0:
		return usage("name edges inside the fleet: `msctl edges` lists them; without --edges every call of the request is disturbed",
			"nothing was searched: over %s goes the request itself, and only what it leads to is disturbed", list(touched))
	}
	return usage("--edges and --modes say less, or another request leads to more",
		"nothing was searched: of the %s %s none can fail in these modes: %s", count(len(over), "call"), named, list(x.o.modes))
}

// warn tells of what was named and not searched, and what made the search less certain.
func (x *exploring) warn(r explore.Result) {
	warnings := slices.Clone(r.Warnings)
	if len(r.Clean.Calls) > 0 {
		for _, t := range x.edges.untouched(r.Clean.Calls) {
			warnings = append(warnings, fmt.Sprintf("the request leads to no call over %s: nothing was disturbed there", t))
		}
	}
	for _, w := range warnings {
		fmt.Fprintln(x.screenOf(x.Err), clean(w))
	}
}
