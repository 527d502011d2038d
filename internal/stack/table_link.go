package stack

import (
	"strconv"
	"strings"
)

// link is a name under calls or uses with what is said of the way there.
type link struct {
	spot
	protocols []spot
	direct    bool
	optional  bool // of a call
}

// port is auto, a number, or either with the port behind it, inside a container or of the program, after a
// colon.
func port() value[Listen] {
	sch := schema{"anyOf": []schema{{"type": "null"}, {"type": "integer", "minimum": 1, "maximum": 65535},
		{"type": "string", "pattern": "^(auto|[0-9]+)(:(auto|[0-9]+))?$"}}}
	return value[Listen]{sch, func(c *collector, n *node) (Listen, bool) {
		if n.empty() {
			return Listen{}, true
		}
		s, ok := scalar(c, n, "a port or auto")
		host, inside, pair := strings.Cut(s, ":")
		var l Listen
		if ok && host != "auto" {
			l.Port, ok = portNumber(host)
		}
		switch {
		case pair && inside == "auto":
			l.Inside = AutoPort
		case ok && pair:
			l.Inside, ok = portNumber(inside)
		}
		if !ok && isScalar(n) {
			c.fail(n.pos, "write auto for a free one", "a port from 1 to 65535 is wanted here, not %s", shorten(n.text))
		}
		return l, ok
	}}
}

func portNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= 65535
}

func listens(es []entry[Listen]) []Listen {
	var out []Listen
	for _, e := range es {
		e.Value.Name, e.Value.Pos = e.Name, e.Pos
		out = append(out, e.Value)
	}
	return out
}

func callList() value[[]Call] {
	return as(listOf(at(text())), func(ss []spot) []Call {
		var out []Call
		for _, s := range ss {
			out = append(out, Call{To: s.Name, Pos: s.Pos})
		}
		return out
	})
}

func callMap() value[[]Call] {
	short := as(protocols(), func(ps []spot) link { return link{protocols: ps} })
	long := object([]field[link]{
		key("protocol", "Listen name of the callee, or a list of them. Default: http, or the only one.",
			protocols(), func(l *link, v []spot) { l.protocols = v }),
		meshKey(),
		key("optional", "The caller runs without it: it does not wait for it, and does not bring it along into a profile. Where it is left out the caller is not given its address. Default: false.",
			boolean(), func(l *link, v bool) { l.optional = v }),
	})
	return as(named(optional(either(isMapping, long, short))), func(es []entry[link]) []Call {
		var out []Call
		for _, e := range es {
			call := Call{To: e.Name, Direct: e.Value.direct, Optional: e.Value.optional, Pos: e.Pos}
			if len(e.Value.protocols) == 0 {
				out = append(out, call)
			}
			for _, p := range e.Value.protocols {
				call.Protocol = p.Name
				out = append(out, call)
			}
		}
		return out
	})
}

// protocols is one listen name, or a list of them.
func protocols() value[[]spot] {
	one := as(at(text()), func(p spot) []spot { return []spot{p} })
	return either(isScalar, one, listOf(at(text())))
}

func meshKey() field[link] {
	return key("mesh", "Whether the calls go through msctl. Default: on; off gives the caller the callee's own address.",
		onOff(), func(l *link, v bool) { l.direct = !v })
}

func useList() value[[]link] {
	return as(listOf(at(text())), func(ss []spot) []link {
		var out []link
		for _, s := range ss {
			out = append(out, link{spot: s})
		}
		return out
	})
}

func useMap() value[[]link] {
	return as(named(optional(object([]field[link]{meshKey()}))), func(es []entry[link]) []link {
		var out []link
		for _, e := range es {
			e.Value.spot = e.spot
			out = append(out, e.Value)
		}
		return out
	})
}

func shares(es []entry[int]) []Share {
	var out []Share
	for _, e := range es {
		out = append(out, Share{Service: e.Name, Weight: e.Value, Pos: e.Pos})
	}
	return out
}
