package fleet

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

const loopback = "127.0.0.1"

// inherited is all that a service gets of msctl's own environment: what a program needs to run at all,
// and none of the keys that lie in a developer's shell.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// exporters is what tells OpenTelemetry that nobody listens.
var exporters = []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"}

// said is the environment by which a user points to a receiver of telemetry; it is handed on as it is.
var said = []string{
	"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_INSECURE",
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
}

// vars is an environment under construction: names in the order in which they were first set.
type vars struct {
	names  []string
	values map[string]string
}

func (v *vars) set(name, value string) {
	if v.values == nil {
		v.values = map[string]string{}
	}
	if _, there := v.values[name]; !there {
		v.names = append(v.names, name)
	}
	v.values[name] = value
}

func (v *vars) list() []string {
	out := make([]string, len(v.names))
	for i, name := range v.names {
		out[i] = name + "=" + v.values[name]
	}
	return out
}

// environment makes the whole environment of one unit of a service, and names what msctl gives it.
func (p *planner) environment(s *stack.Service, name string, ports []driver.Port) (env, given []string, err error) {
	v := &vars{}
	if !container(s) { // an image has its own
		p.inherit(v, inherited)
	}
	inherits := len(v.names)
	v.set("MSCTL_STACK", p.o.Stack.Name)
	own(v, ports)
	for _, c := range s.Calls {
		p.call(v, s.Name, c.To)
	}
	for _, r := range s.Uses {
		if e, ok := p.endpoint(s.Name, r); ok {
			v.set(variable(r, "URL"), e.URL)
		}
	}
	p.telemetry(v, s, name)
	given = slices.DeleteFunc(slices.Clone(v.names[inherits:]), func(name string) bool {
		return slices.Contains(said, name) && p.getenv(name) != "" // the user's, and maybe secret
	})
	err = p.user(v, s, ports)
	return v.list(), given, err
}

func (p *planner) inherit(v *vars, names []string) {
	for _, name := range names {
		if value := p.getenv(name); value != "" {
			v.set(name, value)
		}
	}
}

func (p *planner) getenv(name string) string {
	if p.o.Getenv == nil {
		return ""
	}
	return p.o.Getenv(name)
}

// own tells a service its ports: HTTP_PORT, GRPC_PORT, and PORT where it has one.
func own(v *vars, ports []driver.Port) {
	for _, port := range ports {
		v.set(variable(port.Name, "PORT"), strconv.Itoa(inner(port)))
	}
	if len(ports) == 1 {
		v.set("PORT", strconv.Itoa(inner(ports[0])))
	}
}

// inner returns the port that the program itself opens.
func inner(p driver.Port) int {
	if p.Inside != 0 {
		return p.Inside
	}
	return p.Host
}

// call tells a service where one that it calls listens. A callee that is skipped is not there: its caller
// finds no variable and does without.
func (p *planner) call(v *vars, from, to string) {
	s := p.o.Stack.Service(to)
	if s == nil || p.skip[to] != "" {
		return
	}
	for _, l := range s.Listen {
		port := p.reach(from, to, l.Name)
		if port == 0 {
			continue
		}
		if l.Name == "http" || len(s.Listen) == 1 && l.Name != "grpc" && l.Name != "tcp" {
			v.set(variable(to, "URL"), "http://"+addr(port))
		}
		if l.Name != "http" {
			v.set(variable(to, l.Name, "ADDR"), addr(port))
		}
	}
}

// telemetry names the service to OpenTelemetry, and says where msctl listens unless somebody said another
// receiver. Where nobody listens it is turned off: exporters that find nobody cost time and lines in the log.
func (p *planner) telemetry(v *vars, s *stack.Service, name string) {
	v.set("OTEL_SERVICE_NAME", s.Name)
	v.set("OTEL_RESOURCE_ATTRIBUTES", "service.namespace="+p.o.Stack.Name+",service.instance.id="+name)
	p.inherit(v, said)
	told := func(name string) bool {
		return strings.HasSuffix(name, "_ENDPOINT") && strings.HasPrefix(name, "OTEL_EXPORTER_OTLP")
	}
	if slices.ContainsFunc(v.names, told) || slices.ContainsFunc(s.Env, func(e stack.Var) bool { return told(e.Name) }) {
		return
	}
	if p.ports[otlpHTTP] == 0 || container(s) && !hostNetwork(s) {
		for _, exporter := range exporters {
			v.set(exporter, "none")
		}
		return
	}
	p.receiver(v, s)
}

// receiver tells a service where msctl listens, and to send soon what it has: a trace is looked for the
// moment after the request.
func (p *planner) receiver(v *vars, s *stack.Service) {
	const protocol = "OTEL_EXPORTER_OTLP_PROTOCOL"
	wish := v.values[protocol]
	for _, e := range s.Env {
		if e.Name == protocol {
			wish = e.Value
		}
	}
	port := p.ports[otlpHTTP]
	if wish == "grpc" {
		port = p.ports[otlpGRPC]
	}
	v.set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addr(port))
	v.set(protocol, cmp.Or(wish, "http/protobuf"))
	v.set("OTEL_BSP_SCHEDULE_DELAY", "200")
	v.set("OTEL_BLRP_SCHEDULE_DELAY", "200")
	v.set("OTEL_METRIC_EXPORT_INTERVAL", "10000")
}

// user lays the service's own variables over the given ones, their references replaced.
func (p *planner) user(v *vars, s *stack.Service, ports []driver.Port) error {
	var errs stack.Errors
	for _, e := range s.Env {
		value, err := stack.Expand(e, func(r stack.Ref) (string, error) { return p.lookup(s, ports, r) })
		if mistake, ok := err.(*stack.Error); ok {
			errs = append(errs, mistake)
			continue
		}
		if err != nil {
			return err
		}
		v.set(e.Name, value)
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// lookup answers one reference in the environment of a service. Of itself a service learns the URL where
// others find it, and the port that it is to open.
func (p *planner) lookup(s *stack.Service, ports []driver.Port, r stack.Ref) (string, error) {
	switch {
	case r.Scheme == stack.SchemeEnv:
		return p.getenv(r.Name), nil
	case r.Scheme == stack.SchemeSecret:
		return p.secrets.Lookup(r.Name)
	case (r.Name == stack.Self || r.Name == s.Name) && r.Parts[len(r.Parts)-1] == "url":
		return p.part(s, r, func(l string) int { return p.ports[key(s.Name, l)] })
	case r.Name == stack.Self || r.Name == s.Name:
		return p.part(s, r, func(l string) int { return ownPort(ports, l) })
	}
	if to := p.o.Stack.Service(r.Name); to != nil {
		return p.part(to, r, func(l string) int { return p.reach(s.Name, to.Name, l) })
	}
	e, ok := p.endpoint(s.Name, r.Name)
	if !ok {
		return "", nil // it is not run (--no-deps)
	}
	return resourcePart(e, r, p.at(s.Name, p.choice(r.Name)).Ports)
}

// resourceEnv replaces the references in the variables of a resource that is a container.
func (p *planner) resourceEnv(r *stack.Resource) ([]stack.Var, error) {
	var out []stack.Var
	for _, e := range r.Env {
		value, err := stack.Expand(e, func(ref stack.Ref) (string, error) {
			return p.lookup(&stack.Service{Name: r.Name}, nil, ref)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, stack.Var{Name: e.Name, Value: value, Literal: true})
	}
	return out, nil
}

// endpoint returns what a user of a resource is given, or false when it is not run.
func (p *planner) endpoint(from, name string) (resource.Endpoint, bool) {
	c := p.choice(name)
	if c == nil {
		return resource.Endpoint{}, false
	}
	return c.Endpoint(p.at(from, c)), true
}

// part returns one part of a service's address: of the listener that the reference names, else of http,
// else of the first.
func (p *planner) part(s *stack.Service, r stack.Ref, port func(listen string) int) (string, error) {
	listen, what := mainListen(s), r.Parts[len(r.Parts)-1]
	if len(r.Parts) == 2 {
		listen = r.Parts[0]
	}
	n := port(listen)
	if n == 0 {
		if p.has(s.Name) {
			return "", fmt.Errorf("%s has no listener %q", s.Name, listen)
		}
		return "", nil // it is not run (--no-deps)
	}
	return portPart(what, listen, n)
}

func portPart(what, listen string, n int) (string, error) {
	switch what {
	case "url":
		return refURL(listen, n), nil
	case "addr":
		return addr(n), nil
	case "host":
		return loopback, nil
	case "port":
		return strconv.Itoa(n), nil
	}
	return "", fmt.Errorf("a service has no %q: want url, addr, host or port", what)
}

// resourcePart returns one part of a resource's endpoint.
func resourcePart(e resource.Endpoint, r stack.Ref, ports map[string]int) (string, error) {
	if len(r.Parts) == 2 {
		n, there := ports[r.Parts[0]]
		if !there {
			return "", fmt.Errorf("%s has no port %q", r.Name, r.Parts[0])
		}
		return portPart(r.Parts[1], r.Parts[0], n)
	}
	switch r.Parts[0] {
	case "url":
		return e.URL, nil
	case "addr":
		return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)), nil
	case "host":
		return e.Host, nil
	case "port":
		return strconv.Itoa(e.Port), nil
	case "user":
		return e.User, nil
	case "password":
		return e.Password, nil
	case "database":
		return e.Database, nil
	}
	return "", fmt.Errorf("a resource has no %q: want url, addr, host, port, user, password or database", r.Parts[0])
}

// mainListen returns the listener that is meant where none is named.
func mainListen(s *stack.Service) string {
	if _, ok := s.Port("http"); ok || len(s.Listen) == 0 {
		return "http"
	}
	return s.Listen[0].Name
}

func ownPort(ports []driver.Port, name string) int {
	for _, p := range ports {
		if p.Name == name {
			return inner(p)
		}
	}
	return 0
}

// variable makes a name for the environment: "orders-db", "url" is ORDERS_DB_URL.
func variable(words ...string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.Join(words, "_"), "-", "_"))
}

// addr returns 127.0.0.1 and the port.
func addr(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
