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
