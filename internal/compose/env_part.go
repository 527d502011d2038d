package compose

import (
	"regexp"
	"strconv"
	"strings"
)

// hostName finds variables that say a host alone, and what stands before it.
var hostName = regexp.MustCompile(`(?i)^(.*?)_?(?:HOST|HOSTNAME|SERVER|ADDR|ADDRESS|ENDPOINT|UPSTREAM|BACKEND)$`)

var partName = regexp.MustCompile(`(?i)^_?(?:(PORT)|(USER|USERNAME)|(PASS|PASSWORD|PWD)|(DB|NAME|DBNAME|DATABASE|DB_NAME))$`)

// part is a value that is one part of an address: DB_HOST, and with it DB_PORT, DB_USER and so on.
func (im *importer) part(u *unit, name, plain string) (string, bool) {
	if to := im.byHost[plain]; to != nil && to != u && hostName.MatchString(name) {
		if l := to.listener(0, "http"); to.kind != nil || l != nil {
			listen := ""
			if to.kind == nil {
				listen = l.name
			}
			if !im.link(u, to, listen) {
				return "127.0.0.1", true
			}
			im.addPort(u, to, l, name)
			return ref(to.name + ".host"), true
		}
	}
	for other, v := range u.svc.Environment {
		m := hostName.FindStringSubmatch(other)
		if v == nil || m == nil || other == name || !strings.HasPrefix(name, m[1]) {
			continue
		}
		to := im.byHost[*v]
		is := partName.FindStringSubmatch(strings.TrimPrefix(name, m[1]))
		if to == nil || to == u || is == nil {
			continue
		}
		if is[1] != "" {
			return im.portPart(u, to, plain)
		}
		if to.kind != nil && (is[2] == "" || len(to.kind.user) > 0) {
			return ref(to.name + "." + map[bool]string{true: "user"}[is[2] != ""] + map[bool]string{true: "password"}[is[3] != ""] + map[bool]string{true: "database"}[is[4] != ""]), true
		}
	}
	return "", false
}

// addPort adds the port to a host that is said without one: inside containers it was the usual one.
func (im *importer) addPort(u, to *unit, l *port, name string) {
	m := hostEnd.FindStringSubmatch(name)
	if m == nil {
		return
	}
	more := m[1] + map[bool]string{true: "PORT", false: "port"}[m[2] == strings.ToUpper(m[2])]
	if _, said := u.svc.Environment[more]; said {
		return
	}
	value := to.name + ".port"
	if to.kind == nil {
		value = to.name + "." + l.name + ".port"
	}
	u.env = append(u.env, variable{more, finish(ref(value))})
	im.leave(u, "environment\x00"+name, "%s names %s without a port, which is another one here: %s is added, and must be read", name, to.from, more)
}

var hostEnd = regexp.MustCompile(`(?i)^(.*?_?)(HOST|HOSTNAME|SERVER)$`)

func (im *importer) portPart(u, to *unit, plain string) (string, bool) {
	n, err := strconv.Atoi(plain)
	if err != nil {
		return "", false
	}
	if to.kind != nil {
		if name := to.kind.ports[n]; name != "" {
			return ref(to.name + "." + name + ".port"), true
		}
		return ref(to.name + ".port"), true
	}
	l := to.listener(n, "")
	if l == nil {
		return "", false
	}
	if im.reaches(to.name, u.name, map[string]bool{}) {
		_, port, _ := strings.Cut(im.around(u, to, l), ":")
		return port, true
	}
	return ref(to.name + "." + l.name + ".port"), true
}

var ownPort = regexp.MustCompile(`(?i)(^|_)(PORT|ADDR|ADDRESS|LISTEN|BIND)$`)

// tells reports that a variable tells the program which port to open.
func (im *importer) tells(u *unit, inner int) bool {
	for name, v := range u.svc.Environment {
		if v != nil && ownPort.MatchString(name) && portOf(*v) == inner && im.byHost[strings.TrimSuffix(*v, ":"+strconv.Itoa(inner))] == nil && !im.ofOther(u, name) {
			return true
		}
	}
	return false
}

// ofOther reports a variable that belongs to another service's address, such as DB_PORT beside DB_HOST.
func (im *importer) ofOther(u *unit, name string) bool {
	for other, v := range u.svc.Environment {
		if m := hostName.FindStringSubmatch(other); v != nil && m != nil && m[1] != "" && other != name && strings.HasPrefix(name, m[1]) && im.byHost[*v] != nil {
			return true
		}
	}
	return false
}

// portOf reads "8080", ":8080" and "0.0.0.0:8080".
func portOf(text string) int {
	for _, before := range []string{"0.0.0.0:", "127.0.0.1:", "localhost:", "[::]:", ":"} {
		text = strings.TrimPrefix(text, before)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// self is a variable with the unit's own port, where that is not the same on this machine.
func (im *importer) self(u *unit, name, plain string) (string, bool) {
	if u.native == "" || !ownPort.MatchString(name) {
		return "", false
	}
	for _, p := range u.ports {
		if p.free && portOf(plain) == p.inner {
			return strings.Replace(plain, strconv.Itoa(p.inner), ref("self."+p.name+".port"), 1), true
		}
	}
	return "", false
}
