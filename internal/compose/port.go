package compose

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msctl.dev/msctl/internal/stack"
)

// port is one port that a unit opens.
type port struct {
	name   string
	public int  // on this machine; 0 is any
	inner  int  // inside the container
	free   bool // the program is told its port by a variable
}

// targets gathers the ports inside that a unit opens, as far as the file tells.
func (im *importer) targets(u *unit) {
	for _, p := range u.svc.Ports {
		if p.Protocol == "udp" {
			im.leave(u, "ports", "port %d/udp is not led to it: only TCP is", p.Target)
			continue
		}
		public, _, _ := strings.Cut(p.Published, "-")
		n, _ := strconv.Atoi(public)
		if strings.Contains(p.Published, "-") {
			im.leave(u, "ports", "of the ports %s only %s is kept", p.Published, public)
		}
		u.open(port{name: p.Name, public: n, inner: int(p.Target)})
	}
	for _, e := range u.svc.Expose {
		number, _, _ := strings.Cut(e, "/")
		number, _, _ = strings.Cut(number, "-")
		if n, err := strconv.Atoi(number); err == nil {
			u.open(port{inner: n})
		}
	}
	at := regexp.MustCompile(`(?:^|[^A-Za-z0-9_.-])(` + im.hosts + `):(\d{2,5})\b`)
	for _, text := range texts(u.svc) {
		for _, m := range at.FindAllStringSubmatch(text, -1) {
			if to := im.byHost[m[1]]; to != u && to.kind == nil {
				n, _ := strconv.Atoi(m[2])
				to.open(port{inner: n})
			}
		}
	}
	if m := localPort.FindStringSubmatch(strings.Join(healthTest(u.svc), " ")); m != nil && u.kind == nil {
		n, _ := strconv.Atoi(m[1])
		u.open(port{inner: n})
	}
}

// open notes a port once.
func (u *unit) open(p port) {
	if p.inner < 1 || p.inner > 65535 {
		return
	}
	for i := range u.ports {
		if u.ports[i].inner == p.inner {
			u.ports[i].public = cmp.Or(u.ports[i].public, p.public)
			return
		}
	}
	u.ports = append(u.ports, p)
}

// texts is every text of a service in which another one may be named.
func texts(s types.ServiceConfig) []string {
	out := slices.Concat(s.Command, s.Entrypoint)
	for _, v := range s.Environment {
		if v != nil {
			out = append(out, *v)
		}
	}
	return out
}

// listen names a unit's ports and finds those of this machine.
func (im *importer) listen(u *unit) {
	if u.kind != nil {
		if slices.ContainsFunc(u.ports, func(p port) bool { return p.public > 0 }) {
			im.leave(u, "ports", "its port on this machine is any free one: `msctl ps` shows it")
		}
		return
	}
	used := map[string]bool{}
	for i := range u.ports {
		p := &u.ports[i]
		name := ""
		if p.name != "" {
			name = goodName(p.name)
		}
		switch {
		case name != "" && !used[name]:
		case grpcPort(p.inner) && !used["grpc"]:
			name = "grpc"
		case !used["http"] && i == 0:
			name = "http"
		default:
			name = "port-" + strconv.Itoa(p.inner)
		}
		p.name, used[name] = name, true
		p.free = im.tells(u, p.inner)
		im.fix(u, p)
	}
}

func grpcPort(n int) bool { return n >= 50051 && n <= 50059 }

// fix settles the port of this machine.
func (im *importer) fix(u *unit, p *port) {
	if u.box {
		if p.public > 0 {
			im.leave(u, "ports", "its port on this machine is any free one, not %d: `msctl ps` shows it", p.public)
		}
		return
	}
	wanted := p.public
	if wanted == 0 && u.native != "" && !p.free {
		wanted = p.inner // the program may know no other
	}
	if by := im.taken[wanted]; wanted > 0 && by != "" {
		im.leave(u, "ports", "port %d is taken by %s: it is told another one in PORT, and must open that", wanted, by)
		wanted = 0
	}
	if wanted > 0 {
		im.taken[wanted] = u.name
	}
	p.public = wanted
	if u.native != "" && wanted > 0 && wanted != p.inner && !p.free {
		if by := im.taken[p.inner]; by != "" {
			im.leave(u, "ports", "port %d is taken by %s: it is told %d in PORT, and must open that", p.inner, by, wanted)
			p.free = true
			return
		}
		im.taken[p.inner] = u.name
	}
}

// text is the port as `listen` says it.
func (p port) text(u *unit) string {
	public := "auto"
	if p.public > 0 {
		public = strconv.Itoa(p.public)
	}
	switch {
	case u.box:
		return strconv.Itoa(p.inner)
	case u.native == "":
		return stack.Quote(public + ":" + strconv.Itoa(p.inner))
	case p.public > 0 && p.public != p.inner && !p.free:
		return stack.Quote(public + ":" + strconv.Itoa(p.inner))
	}
	return public
}
