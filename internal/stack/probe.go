package stack

// probe checks the health of a service against its ports.
func (l *loader) probe(s *Service) {
	if s.Health == nil {
		return
	}
	l.oneProbe(s.Health)
	l.probePorts(s.Health, s.Listen, "service "+shorten(s.Name))
}

// oneProbe checks that one way is chosen and fills the times in.
func (l *loader) oneProbe(p *Probe) {
	chosen := 0
	for _, set := range []bool{p.HTTP != "", p.TCP != "", p.GRPC != "", p.Log != "", len(p.Exec) > 0} {
		if set {
			chosen++
		}
	}
	if chosen != 1 && !l.broken[p.Pos] {
		l.fail(p.Pos, "", "health needs exactly one of http, tcp, grpc, log, exec")
	}
	p.Timeout = or(p.Timeout, defaultTimeout)
	p.Deadline = or(p.Deadline, defaultDeadline)
	p.Interval = or(p.Interval, defaultInterval)
	p.Failures = or(p.Failures, defaultFailures)
}

func (l *loader) probePorts(p *Probe, ls []Listen, owner string) {
	want := or(p.Port, p.TCP)
	switch {
	case l.broken[p.Pos]:
		return
	case p.Port != "" && p.HTTP == "" && p.GRPC == "":
		l.fail(p.Pos, "", "health has a port, which only http and grpc use")
		return
	case want == "" && p.HTTP != "":
		want = or(mainOf(ls, "http"), "http")
	case want == "" && p.GRPC != "":
		want = or(mainOf(ls, "grpc"), "grpc")
	case want == "":
		return
	}
	if !hasListen(ls, want) {
		l.unknown(p.Pos, want, listenNames(ls), "health: %s does not listen on %q", owner, want)
		return
	}
	if p.TCP == "" {
		p.Port = want
	}
}
