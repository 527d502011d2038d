package compose

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// resource writes one backing server.
func (e *exporter) resource(p *page, r *stack.Resource) error {
	p.line(1, "%s:", stack.Quote(r.Name))
	if r.Type == stack.ContainerKind {
		return e.box(p, r)
	}
	s := serverOf(r.Type)
	if s.port == 0 {
		return fmt.Errorf("export resource %s: no image is known for %s", r.Name, r.Type)
	}
	image := r.Image
	if image == "" && e.o.Image != nil {
		image = e.o.Image(r)
	}
	if image == "" || r.Type == "smtp" && r.Image == "" {
		image = s.image
	}
	p.line(2, "image: %s", literal(image))
	if len(s.command) > 0 {
		p.line(2, "command: %s", literals(s.command))
	}
	if len(s.env) > 0 {
		p.line(2, "environment:")
		for _, v := range s.env {
			p.line(3, "%s: %s", v.name, stack.Quote(e.fill(v.value, r)))
		}
	}
	p.line(2, "expose: [%q]", strconv.Itoa(s.port))
	if s.health != "" {
		p.line(2, "healthcheck:")
		p.line(3, "test: [CMD-SHELL, %s]", stack.Quote(e.fill(s.health, r)))
		p.line(3, "interval: 2s")
		p.line(3, "timeout: 5s")
		p.line(3, "retries: 30")
	}
	if s.data != "" {
		e.volumes = append(e.volumes, r.Name)
		p.line(2, "volumes: [%s]", stack.Quote(r.Name+":"+s.data))
	}
	return nil
}

// fill puts a resource's own names into a text.
func (e *exporter) fill(text string, r *stack.Resource) string {
	name := strings.ReplaceAll(r.Name, "-", "_")
	return strings.NewReplacer("USER", name, "PASSWORD", e.password(r), "NAME", name, "HOST", r.Name).Replace(text)
}

// password is a variable of the shell or .env, with a value for one machine alone.
func (e *exporter) password(r *stack.Resource) string {
	return "${" + upper(r.Name) + "_PASSWORD:-" + r.Name + "}"
}

// upper makes a name for the environment.
func upper(words ...string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.Join(words, "_"), "-", "_"))
}

// box writes a resource of type container.
func (e *exporter) box(p *page, r *stack.Resource) error {
	p.line(2, "image: %s", literal(r.Image))
	if len(r.Command) > 0 {
		p.line(2, "command: %s", literals(r.Command))
	}
	if len(r.Env) > 0 {
		p.line(2, "environment:")
	}
	for _, v := range r.Env {
		text, err := e.expand(v, nil)
		if err != nil {
			return err
		}
		p.line(3, "%s: %s", stack.Quote(v.Name), stack.Quote(text))
	}
	var exposed, volumes []string
	for _, l := range r.Listen {
		exposed = append(exposed, strconv.Quote(strconv.Itoa(l.Port)))
	}
	if len(exposed) > 0 {
		p.line(2, "expose: [%s]", strings.Join(exposed, ", "))
	}
	for _, v := range r.Volumes {
		name := r.Name + "-" + goodName(path.Base(v))
		e.volumes = append(e.volumes, name)
		volumes = append(volumes, name+":"+v)
	}
	if len(volumes) > 0 {
		p.line(2, "volumes: %s", list(volumes))
	}
	e.health(p, r.Health, "resource "+r.Name)
	return nil
}

// environment writes what msctl would give the service, then what the stack says.
func (e *exporter) environment(p *page, s *stack.Service) error {
	var vars []variable
	for _, l := range s.Listen {
		vars = append(vars, variable{upper(l.Name, "PORT"), strconv.Itoa(inside(s, l))})
	}
	if len(s.Listen) == 1 {
		vars = append(vars, variable{"PORT", strconv.Itoa(inside(s, s.Listen[0]))})
	}
	for _, edge := range e.stack.Edges {
		if edge.From == s.Name {
			vars = append(vars, e.given(edge)...)
		}
	}
	for _, v := range s.Env {
		text, err := e.expand(v, s)
		if err != nil {
			return err
		}
		vars = append(vars, variable{v.Name, text})
	}
	last := map[string]int{}
	for i, v := range vars {
		last[v.name] = i
	}
	if len(vars) > 0 {
		p.line(2, "environment:")
	}
	for i, v := range vars {
		if last[v.name] == i {
			p.line(3, "%s: %s", stack.Quote(v.name), stack.Quote(v.value))
		}
	}
	return nil
}

// given is what msctl tells a service of one that it calls, or of a resource.
func (e *exporter) given(edge stack.Edge) []variable {
	if r := e.stack.Resource(edge.To); r != nil {
		if r.Type == stack.ContainerKind {
			if len(r.Listen) == 0 {
				return nil
			}
			return []variable{{upper(r.Name, "URL"), "http://" + e.addr(r.Name, r.Listen[0].Port)}}
		}
		return []variable{{upper(r.Name, "URL"), e.fill(serverOf(r.Type).url, r)}}
	}
	to := e.stack.Service(edge.To)
	var out []variable
	for _, l := range to.Listen {
		at := e.addr(to.Name, inside(to, l))
		if l.Name == "http" || len(to.Listen) == 1 && l.Name != "grpc" && l.Name != "tcp" {
			out = append(out, variable{upper(to.Name, "URL"), "http://" + at})
		}
		if l.Name != "http" {
			out = append(out, variable{upper(to.Name, l.Name, "ADDR"), at})
		}
	}
	return out
}

func (e *exporter) addr(host string, port int) string { return host + ":" + strconv.Itoa(port) }

// expand replaces the references of a variable by what holds among containers. Dollars of its own are
// doubled, those of Compose's variables are not.
func (e *exporter) expand(v stack.Var, self *stack.Service) (string, error) {
	const dollar = "\ue005"
	if v.Literal && stack.SecretName(v.Name) {
		e.leave("%s of an env file is not written: it is taken from the shell or .env", v.Name)
		return "${" + v.Name + ":?}", nil
	}
	if v.Literal {
		return strings.ReplaceAll(v.Value, "$", "$$"), nil
	}
	text, err := stack.Expand(v, func(r stack.Ref) (string, error) {
		return strings.ReplaceAll(e.reference(r, self), "$", dollar), nil
	})
	if err != nil {
		return "", err
	}
	return strings.NewReplacer("$", "$$", dollar, "$").Replace(text), nil
}

func (e *exporter) reference(r stack.Ref, self *stack.Service) string {
	switch r.Scheme {
	case stack.SchemeEnv:
		return "${" + r.Name + "}"
	case stack.SchemeSecret:
		return "${" + upper(strings.ReplaceAll(r.Name, ".", "_")) + ":?}"
	}
	name := r.Name
	if name == stack.Self && self != nil {
		name = self.Name
	}
	last := r.Parts[len(r.Parts)-1]
	if res := e.stack.Resource(name); res != nil {
		return e.ofResource(res, r.Parts)
	}
	s := e.stack.Service(name)
	port := 0
	for i, l := range s.Listen {
		if len(r.Parts) == 2 && l.Name == r.Parts[0] || len(r.Parts) == 1 && (l.Name == "http" || i == 0 && port == 0) {
			port = inside(s, l)
		}
	}
	return part(last, name, port, "http://"+e.addr(name, port))
}

func part(last, host string, port int, url string) string {
	switch last {
	case "url":
		return url
	case "host":
		return host
	case "port":
		return strconv.Itoa(port)
	}
	return host + ":" + strconv.Itoa(port)
}

func (e *exporter) ofResource(r *stack.Resource, parts []string) string {
	s := serverOf(r.Type)
	last := parts[len(parts)-1]
	port, url := s.port, e.fill(s.url, r)
	if r.Type == stack.ContainerKind && len(r.Listen) > 0 {
		port = r.Listen[0].Port
	}
	if len(parts) == 2 {
		for _, l := range r.Listen {
			if l.Name == parts[0] {
				port = l.Port
			}
		}
		if r.Type == "smtp" && parts[0] == "http" {
			port = 8025
		}
		url = "http://" + e.addr(r.Name, port)
	}
	name := strings.ReplaceAll(r.Name, "-", "_")
	switch last {
	case "user", "password", "database":
		switch {
		case r.Type == "redis" && last == "database":
			return "0"
		case s.open:
			return ""
		case last == "password":
			return e.password(r)
		}
		return name
	}
	return part(last, r.Name, port, url)
}
