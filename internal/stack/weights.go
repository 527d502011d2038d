package stack

import "slices"

// weights checks over which services the calls to one are spread: all must answer for it.
func (l *loader) weights(s *Service) {
	total := 0
	for _, w := range s.Weights {
		total += w.Weight
		if w.Service != s.Name {
			l.share(s, w)
		}
	}
	if len(s.Weights) == 0 {
		return
	}
	at := l.keyPos(s, "weights")
	if !slices.ContainsFunc(s.Weights, func(w Share) bool { return w.Service == s.Name }) {
		l.fail(at, "add "+s.Name+": 90", "the weights of %q leave out its own", s.Name)
	}
	if total == 0 {
		l.fail(at, "", "the weights of %q are all 0", s.Name)
	}
}

// share checks one service that takes calls in the place of another.
func (l *loader) share(s *Service, w Share) {
	to := l.index.services[w.Service]
	switch {
	case to == nil:
		l.unknown(w.Pos, w.Service, l.serviceNames(), "service %q spreads its calls over unknown %s", s.Name, shorten(w.Service))
		return
	case len(to.Weights) > 0:
		l.fail(w.Pos, "say all weights in one place", "service %q spreads its calls over %q, which spreads its own", s.Name, to.Name)
	}
	for _, p := range s.Listen {
		if !hasListen(to.Listen, p.Name) {
			l.fail(w.Pos, "add "+p.Name+" to listen of "+to.Name, "service %q spreads its calls over %q, which does not listen on %q", s.Name, to.Name, p.Name)
		}
	}
}

// Direct returns why a caller reaches a callee without msctl between, as far as the file says, or "".
func (s *Stack) Direct(from, to string) string {
	caller := s.Service(from)
	switch {
	case s.NoMesh:
		return "mesh: off in the stack"
	case caller == nil:
		return "between backing servers"
	case slices.Contains(caller.Direct, to),
		slices.ContainsFunc(caller.Calls, func(c Call) bool { return c.To == to && c.Direct }):
		return "mesh: off"
	}
	return ""
}
