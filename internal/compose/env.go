package compose

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// variable is one variable as stack.yaml has it: references, and dollars doubled.
type variable struct{ name, value string }

// The mark of a reference in a value that is being made.
const (
	refBegin = "\ue003"
	refEnd   = "\ue004"
)

func ref(text string) string { return refBegin + text + refEnd }

// finish writes a value that may have references.
func finish(text string) string {
	text = strings.ReplaceAll(text, "$", "$$")
	return strings.NewReplacer(refBegin, "${", refEnd, "}").Replace(text)
}

// variables turns a unit's environment into one with references.
func (im *importer) variables(u *unit) {
	env := u.svc.Environment
	marked := im.marked.AllServices()[u.from].Environment
	for _, name := range im.ordered(u, "environment", keysOf(env)) {
		switch v := env[name]; {
		case u.kind != nil:
			if !u.kind.own(name) {
				im.leave(u, "environment\x00"+name, "%s is not set: msctl configures the server", name)
			}
		case !goodVariable.MatchString(name):
			im.leave(u, "environment\x00"+name, "%q is no name of a variable", name)
		case v == nil:
			im.passed(u, name)
		default:
			text := *v
			if m := marked[name]; m != nil {
				text = *m
			}
			u.env = append(u.env, variable{name, finish(im.rewrite(u, name, text))})
		}
	}
}

var goodVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// passed is a variable without a value: the shell's.
func (im *importer) passed(u *unit, name string) {
	if _, there := im.shell(name); !there {
		if v, ok := im.dotenv[name]; ok {
			u.env = append(u.env, variable{name, finish(im.rewrite(u, name, mark(name, v)))})
			return
		}
		im.leave(u, "environment\x00"+name, "%s is passed from the shell, which has none: write %s: ${env:%s}", name, name, name)
		return
	}
	u.env = append(u.env, variable{name, "${env:" + name + "}"})
}

// rewrite puts references in place of the addresses of other services. What came from variables and is not
// part of an address stays a variable.
func (im *importer) rewrite(u *unit, name, text string) string {
	plain := marks.ReplaceAllString(text, "$2")
	plain = strings.ReplaceAll(plain, "host.docker.internal", "127.0.0.1")
	if out := im.addresses(u, plain); out != plain {
		for _, m := range marks.FindAllStringSubmatch(text, -1) { // what is left of a secret is not written
			if len(m[2]) > 3 && strings.Contains(out, m[2]) && stack.SecretName(m[1]) {
				out = strings.ReplaceAll(out, m[2], im.fromOutside(u, name, m[1], m[2]))
			}
		}
		return out
	}
	if out, ok := im.part(u, name, plain); ok {
		return out
	}
	if out, ok := im.self(u, name, plain); ok {
		return out
	}
	if !marks.MatchString(text) {
		return plain
	}
	return marks.ReplaceAllStringFunc(text, func(m string) string {
		found := marks.FindStringSubmatch(m)
		return im.fromOutside(u, name, found[1], found[2])
	})
}

// fromOutside is a variable of the shell or of .env. Secrets do not get into stack.yaml.
func (im *importer) fromOutside(u *unit, name, variable, held string) string {
	_, inFile := im.dotenv[variable]
	switch {
	case !inFile:
		return ref("env:" + variable)
	case stack.SecretName(variable) || stack.SecretName(name):
		im.secrets[variable] = held
		return ref("secret:" + variable)
	}
	return held
}

// The forms in which a value says where another service is. Their hosts are put in by importer.form.
const (
	urlForm  = `([A-Za-z][A-Za-z0-9+.-]*)://(?:([^\s:/@]*)(?::([^\s@/]*))?@)?(HOST)(?::(\d+))?(/[^\s?#,"';]*)?(\?|#|,|;|"|'|\s|$)`
	dsnForm  = `([^\s:@/]+):([^\s@]*)@(tcp\()?(HOST)(?::(\d+))?(\))?/([^\s?]*)`
	pairForm = `(^|[^A-Za-z0-9_.@/-])(HOST):(\d{2,5})\b`
	wordForm = `\bhost=(HOST)\b`
)

func (im *importer) form(pattern string) *regexp.Regexp {
	return regexp.MustCompile(strings.ReplaceAll(pattern, "HOST", im.hosts))
}

// addresses replaces URLs, data source names and HOST:PORT.
func (im *importer) addresses(u *unit, text string) string {
	text = replace(im.form(urlForm), text, func(m []string) string {
		to := im.byHost[m[4]]
		if to == u {
			return m[0]
		}
		return m[1] + "://" + im.user(to, m[2], m[3], m[0]) + im.address(u, to, m[5], m[1]) + im.tail(to, m[6]) + m[7]
	})
	text = replace(im.form(dsnForm), text, func(m []string) string {
		to := im.byHost[m[4]]
		if to.kind == nil || m[3] == "" != (m[6] == "") {
			return m[0]
		}
		return ref(to.name+".user") + ":" + ref(to.name+".password") + "@" + m[3] + im.address(u, to, m[5], "") + m[6] + "/" + ref(to.name+".database")
	})
	text = replace(im.form(wordForm), text, func(m []string) string {
		if to := im.byHost[m[1]]; to.kind != nil {
			im.link(u, to, "")
			return "host=" + ref(to.name+".host")
		}
		return m[0]
	})
	if strings.Contains(text, "host="+refBegin) {
		text = im.keywords(text)
	}
	return replace(im.form(pairForm), text, func(m []string) string {
		to := im.byHost[m[2]]
		if to == u {
			return m[0]
		}
		return m[1] + im.address(u, to, m[3], "")
	})
}

// replace is ReplaceAllStringFunc with the groups.
func replace(re *regexp.Regexp, text string, fn func(groups []string) string) string {
	return re.ReplaceAllStringFunc(text, func(m string) string { return fn(re.FindStringSubmatch(m)) })
}

// keywords finishes "host=… port=… user=…" of a resource.
func (im *importer) keywords(text string) string {
	name := regexp.MustCompile("host=" + refBegin + `([a-z0-9-]+)\.host`).FindStringSubmatch(text)[1]
	for key, part := range map[string]string{"port": "port", "user": "user", "password": "password", "dbname": "database"} {
		text = regexp.MustCompile(`\b`+key+`=('[^']*'|\S*)`).ReplaceAllLiteralString(text, key+"="+ref(name+"."+part))
	}
	return text
}

// user is the part of a URL before the host.
func (im *importer) user(to *unit, user, password, whole string) string {
	switch {
	case !strings.Contains(whole, "@"):
		return ""
	case to.kind != nil && len(to.kind.user) == 0:
		return "" // such a server of msctl's takes anybody on this machine
	case to.kind == nil:
		if password != "" {
			user += ":" + password
		}
		return user + "@"
	}
	return ref(to.name+".user") + ":" + ref(to.name+".password") + "@"
}

// tail is the path of a URL: the database of a resource that has one.
func (im *importer) tail(to *unit, path string) string {
	if to.kind == nil || len(to.kind.database) == 0 || path == "" || path == "/" && to.kind.name != "rabbitmq" {
		return path
	}
	return "/" + ref(to.name+".database")
}

// address is HOST:PORT of a unit, and notes that u needs it.
func (im *importer) address(u, to *unit, port, scheme string) string {
	n, _ := strconv.Atoi(port)
	if to.kind != nil {
		im.link(u, to, "")
		if name := to.kind.ports[n]; name != "" {
			return ref(to.name + "." + name + ".addr")
		}
		return ref(to.name + ".addr")
	}
	l := to.listener(n, scheme)
	if l == nil {
		im.leave(u, "environment", "the port of %s is not known", to.from)
		return to.from + portText(port)
	}
	if !im.link(u, to, l.name) {
		return im.around(u, to, l)
	}
	return ref(to.name + "." + l.name + ".addr")
}

func portText(port string) string {
	if port == "" {
		return ""
	}
	return ":" + port
}

// listener finds a port of a unit by its number inside; without one by the scheme, or the only one.
func (u *unit) listener(inner int, scheme string) *port {
	if inner == 0 {
		inner = map[string]int{"http": 80, "https": 443, "ws": 80, "grpc": 50051}[scheme]
	}
	for i := range u.ports {
		if u.ports[i].inner == inner {
			return &u.ports[i]
		}
	}
	if len(u.ports) > 0 {
		return &u.ports[0]
	}
	return nil
}

// link notes an edge. It returns false where the edge would close a circle.
func (im *importer) link(u, to *unit, listen string) bool {
	if im.reaches(to.name, u.name, map[string]bool{}) {
		return false
	}
	im.needs[u.name] = append(im.needs[u.name], to.name)
	switch {
	case u.resource():
	case to.resource():
		u.use(to)
	case !slices.Contains(u.calls, call{to.name, listen}):
		u.calls = append(u.calls, call{to.name, listen})
	}
	return true
}

// around is the address of a service that waits for u itself: a fixed one, since neither can wait for both.
func (im *importer) around(u, to *unit, l *port) string {
	if l.public == 0 {
		l.public = l.inner
		for im.taken[l.public] != "" {
			l.public++
		}
		im.taken[l.public] = to.name
	}
	im.leave(u, "environment", "%s needs it, so it is given the fixed address of %s: such an edge is not proxied", to.from, to.from)
	return "127.0.0.1:" + strconv.Itoa(l.public)
}

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
