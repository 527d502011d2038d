package compose

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// ExportOptions says what only others know.
type ExportOptions struct {
	Dir   string                       // absolute folder of the compose file to be; "" is the stack's
	Image func(*stack.Resource) string // the image that a resource would run
}

// Exported is what a stack comes to.
type Exported struct {
	Text []byte   // of compose.yaml
	Left []string // what Compose has no word for
}

// Export turns a stack into a compose file. Backing servers become images, services the image or the build
// that they are made from; addresses are those inside the network of the containers.
func Export(st *stack.Stack, o ExportOptions) (*Exported, error) {
	if o.Dir == "" {
		o.Dir = st.Dir
	}
	e := &exporter{stack: st, o: o}
	p := &page{}
	p.line(0, "# Made from %s by `msctl export compose`.", filepath.Base(st.Files[0]))
	p.line(0, "name: %s", st.Name)
	p.line(0, "")
	p.line(0, "services:")
	if len(st.Resources)+len(st.Services) == 0 {
		return nil, fmt.Errorf("export %s: it has neither services nor resources", st.Name)
	}
	for _, r := range st.Resources {
		if err := e.resource(p, r); err != nil {
			return nil, err
		}
		p.line(0, "")
	}
	for _, s := range st.Services {
		if err := e.service(p, s); err != nil {
			return nil, err
		}
		p.line(0, "")
	}
	text := strings.TrimRight(p.b.String(), "\n") + "\n"
	if len(e.volumes) > 0 {
		text += "\nvolumes:\n"
		for _, v := range e.volumes {
			text += "  " + v + ": {}\n"
		}
	}
	if len(st.Profiles) > 0 {
		e.leave("profiles name what is chosen, in Compose each service says when it runs: all run always")
	}
	return &Exported{[]byte(text), e.left}, nil
}

type exporter struct {
	stack   *stack.Stack
	o       ExportOptions
	left    []string
	volumes []string
}

func (e *exporter) leave(format string, args ...any) {
	e.left = append(e.left, fmt.Sprintf(format, args...))
}

// literal quotes a text in which Compose replaces nothing.
func literal(text string) string { return stack.Quote(strings.ReplaceAll(text, "$", "$$")) }

func literals(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strings.ReplaceAll(w, "$", "$$")
	}
	return list(out)
}

// service writes one service.
func (e *exporter) service(p *page, s *stack.Service) error {
	p.line(1, "%s:", stack.Quote(s.Name))
	e.source(p, s)
	if err := e.environment(p, s); err != nil {
		return err
	}
	e.ports(p, s)
	e.dependsOn(p, s)
	e.health(p, s.Health, "service "+s.Name)
	e.life(p, s)
	return nil
}

// inside returns the port that a service opens in its container.
func inside(s *stack.Service, l stack.Listen) int {
	switch {
	case l.Inside > 0:
		return l.Inside
	case l.Port > 0:
		return l.Port
	}
	usual := map[string]int{"http": 8080, "grpc": 50051}
	if n := usual[l.Name]; n > 0 {
		return n
	}
	return 9000 + slices.IndexFunc(s.Listen, func(o stack.Listen) bool { return o.Name == l.Name })
}

func (e *exporter) ports(p *page, s *stack.Service) {
	var public, private []string
	for _, l := range s.Listen {
		if l.Port > 0 {
			public = append(public, strconv.Quote(fmt.Sprintf("%d:%d", l.Port, inside(s, l))))
		} else {
			private = append(private, strconv.Quote(strconv.Itoa(inside(s, l))))
		}
	}
	if len(public) > 0 {
		p.line(2, "ports: [%s]", strings.Join(public, ", "))
	}
	if len(private) > 0 {
		p.line(2, "expose: [%s]", strings.Join(private, ", "))
	}
	if len(public) > 0 && s.Replicas > 1 {
		e.leave("service %s: its replicas cannot all have its port on one machine", s.Name)
	}
}

// dependsOn writes what a service waits for.
func (e *exporter) dependsOn(p *page, s *stack.Service) {
	needs := e.stack.Needs(s.Name)
	if len(needs) == 0 {
		return
	}
	p.line(2, "depends_on:")
	for _, name := range needs {
		condition := "service_started"
		if to := e.stack.Service(name); to != nil && to.Job {
			condition = "service_completed_successfully"
		} else if e.checked(name) {
			condition = "service_healthy"
		}
		p.line(3, "%s: {condition: %s}", stack.Quote(name), condition)
	}
}

// checked reports that a container tells whether it is healthy.
func (e *exporter) checked(name string) bool {
	if r := e.stack.Resource(name); r != nil {
		if r.Type != stack.ContainerKind {
			return serverOf(r.Type).health != ""
		}
		return r.Health != nil && len(r.Health.Exec) > 0
	}
	s := e.stack.Service(name)
	return s != nil && s.Health != nil && len(s.Health.Exec) > 0
}

// health writes a check that is a command. Others would need a program that the image may not have.
func (e *exporter) health(p *page, h *stack.Probe, who string) {
	if h == nil {
		return
	}
	if len(h.Exec) == 0 {
		e.leave("%s: its health is not asked: Compose runs a command in the image, which may have none for that", who)
		return
	}
	interval := h.Interval
	if interval <= 0 {
		interval = 5 * time.Second
	}
	p.line(2, "healthcheck:")
	p.line(3, "test: %s", literals(append([]string{"CMD"}, h.Exec...)))
	p.line(3, "interval: %s", interval)
	p.line(3, "timeout: %s", h.Timeout)
	p.line(3, "retries: %d", max(h.Failures, 1))
	p.line(3, "start_period: %s", h.Deadline)
}

// life writes how a service lives.
func (e *exporter) life(p *page, s *stack.Service) {
	switch {
	case s.Job || s.Restart.Policy == "never":
		p.line(2, "restart: \"no\"")
	case s.Restart.Policy == "always":
		p.line(2, "restart: always")
	case s.Restart.Limit > 0:
		p.line(2, "restart: on-failure:%d", s.Restart.Limit)
	default:
		p.line(2, "restart: on-failure")
	}
	if s.Stop.Signal != "TERM" {
		p.line(2, "stop_signal: SIG%s", s.Stop.Signal)
	}
	p.line(2, "stop_grace_period: %s", s.Stop.Grace)
	var limits []string
	if s.Limits.CPU > 0 {
		limits = append(limits, "cpus: "+strconv.Quote(strconv.FormatFloat(s.Limits.CPU, 'g', 4, 64)))
	}
	if s.Limits.Memory > 0 {
		limits = append(limits, fmt.Sprintf("memory: %dM", s.Limits.Memory>>20))
	}
	if len(limits) > 0 || s.Replicas > 1 {
		p.line(2, "deploy:")
	}
	if s.Replicas > 1 {
		p.line(3, "replicas: %d", s.Replicas)
	}
	if len(limits) > 0 {
		p.line(3, "resources: {limits: {%s}}", strings.Join(limits, ", "))
	}
	if len(s.Weights) > 0 {
		e.leave("service %s: weights have no counterpart", s.Name)
	}
}
