package compose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// writeLife writes how a service lives.
func (im *importer) writeLife(p *page, u *unit) {
	s := u.svc
	if u.job {
		p.line(2, "job: true")
	}
	policy, limit, _ := strings.Cut(s.Restart, ":")
	switch {
	case policy == "no" && !u.job:
		p.line(2, "restart: never")
	case (policy == "always" || policy == "unless-stopped") && !u.job:
		p.line(2, "restart: always")
	case policy == "on-failure" && limit != "":
		p.line(2, "restart: {policy: on-failure, limit: %s}", limit)
	}
	im.writeReplicas(p, u)
	im.writeLimits(p, u)
	var stop []string
	switch signal := strings.TrimPrefix(s.StopSignal, "SIG"); {
	case slices.Contains([]string{"TERM", "INT", "QUIT", "HUP"}, signal):
		stop = append(stop, "signal: "+signal)
	case signal != "":
		im.leave(u, "stop_signal", "it is stopped with TERM, not %s", s.StopSignal)
	}
	if s.StopGracePeriod != nil && *s.StopGracePeriod > 0 {
		stop = append(stop, "grace: "+time.Duration(*s.StopGracePeriod).String())
	}
	if len(stop) > 0 {
		p.line(2, "stop: {%s}", strings.Join(stop, ", "))
	}
}

func (im *importer) writeReplicas(p *page, u *unit) {
	n := 1
	if u.svc.Scale != nil {
		n = *u.svc.Scale
	}
	if d := u.svc.Deploy; d != nil && d.Replicas != nil {
		n = *d.Replicas
	}
	behind := slices.ContainsFunc(u.ports, func(l port) bool { return u.native != "" && !l.free && l.public > 0 })
	switch {
	case n < 2:
	case behind:
		im.leave(u, "deploy", "one runs, not %d: its program opens a port of its own choice", n)
	case n > 100 || u.job:
		im.leave(u, "deploy", "one runs, not %d", n)
	default:
		p.line(2, "replicas: %d", n)
	}
}

func (im *importer) writeLimits(p *page, u *unit) {
	cpu, memory := float64(u.svc.CPUS), int64(u.svc.MemLimit)
	if d := u.svc.Deploy; d != nil && d.Resources.Limits != nil {
		cpu, memory = max(cpu, float64(d.Resources.Limits.NanoCPUs)), max(memory, int64(d.Resources.Limits.MemoryBytes))
	}
	var parts []string
	if cpu >= 0.01 {
		parts = append(parts, "cpu: "+strconv.FormatFloat(cpu, 'g', 4, 64))
	}
	if memory >= 1<<20 {
		parts = append(parts, fmt.Sprintf("memory: %dM", memory>>20))
	}
	if len(parts) > 0 {
		p.line(2, "limits: {%s}", strings.Join(parts, ", "))
	}
}

// writeProfiles writes one profile for what runs without any, and one for each that the file names.
func (im *importer) writeProfiles(p *page) {
	members := map[string][]string{}
	var order, always []string
	for _, u := range im.units {
		if u.resource() {
			if len(u.svc.Profiles) > 0 {
				im.leave(u, "profiles", "a resource runs where something uses it, in any profile")
			}
			continue
		}
		if len(u.svc.Profiles) == 0 {
			always = append(always, u.name)
		}
		for _, name := range u.svc.Profiles {
			name = goodName(name)
			if members[name] == nil {
				order = append(order, name)
			}
			members[name] = append(members[name], u.name)
		}
	}
	if len(order) == 0 {
		return
	}
	p.line(0, "")
	p.line(0, "# `msctl up` runs everything; --profile default runs what `docker compose up` does.")
	p.line(0, "profiles:")
	if members["default"] == nil {
		p.line(1, "default: %s", list(always))
	}
	for _, name := range order {
		p.line(1, "%s: %s", stack.Quote(name), list(slices.Concat(always, members[name])))
	}
}
