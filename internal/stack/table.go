package stack

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// The tables of this file and of table_service.go are stack.yaml: reading, messages and JSON schema all
// come from them.

// draft is what the file says before names are checked and defaults filled in.
type draft struct {
	version   int
	name      string
	services  []entry[*serviceDraft]
	resources []entry[*Resource]
	profiles  []entry[[]spot]
	mesh      bool
	telemetry Telemetry
}

// serviceDraft is a service with the places of the names that it mentions.
type serviceDraft struct {
	Service
	calls    []Call
	uses     []link
	after    []spot
	envFiles []spot

	publishes, consumes []spot
	run                 string
}

func stackTable() []field[draft] {
	return []field[draft]{
		key("version", "Version of this format. Required, 1.", version(),
			func(d *draft, v int) { d.version = v }),
		key("name", "Name of the stack. Default: the name of its folder.", matching(nameRule, nameHint),
			func(d *draft, v string) { d.name = v }),
		key("resources", "Backing servers by name: databases, brokers, caches, mail. Default: none.",
			named(resourceValue()), func(d *draft, v []entry[*Resource]) { d.resources = v }),
		key("services", "The services of the stack by name. Default: none.",
			named(serviceValue()), func(d *draft, v []entry[*serviceDraft]) { d.services = v }),
		key("profiles", "Choices of services by name, for `msctl up --profile NAME`; what they need comes along. Default: none.",
			named(listOf(at(text()))), func(d *draft, v []entry[[]spot]) { d.profiles = v }),
		key("mesh", "Whether calls go through msctl, which counts, traces and may disturb them. Default: on; off gives callers the callee's own address.",
			onOff(), func(d *draft, v bool) { d.mesh = v }),
		key("telemetry", "How traces, metrics and logs are received and kept: off, or a mapping. Default: on, on free ports of this machine.",
			telemetryValue(), func(d *draft, v Telemetry) { d.telemetry = v }),
	}
}

// version accepts any later one too, so that the loader can say what to do about it.
func version() value[int] {
	return value[int]{schema{"const": 1}, func(c *collector, n *node) (int, bool) {
		v, err := strconv.Atoi(n.text)
		if n.kind != yaml.ScalarNode || err != nil || v < 1 {
			c.fail(n.pos, "write `version: 1`", "the version of the format is 1")
			return 0, false
		}
		return v, true
	}}
}

func resourceValue() value[*Resource] {
	fields := []field[*Resource]{
		key("type", "What it is: postgres, redis, rabbitmq, nats, kafka, mysql, mongo, smtp, or container for any image. Required.",
			matching(nameRule, nameHint), func(r **Resource, v string) { (*r).Type = v }),
		key("embedded", "What runs where there is neither a container engine nor an installed server, such as sqlite for postgres. Default: the type's own embedded server, if it has one.",
			text(), func(r **Resource, v string) { (*r).Embedded = v }),
		key("image", "Container image. Default: the type's own; required for type container.",
			text(), func(r **Resource, v string) { (*r).Image = v }),
		key("runtime", "Forces one way to run it. Default: what `--runtime` says, auto.",
			oneOf("container", "native", "embedded"), func(r **Resource, v string) { (*r).Runtime = v }),
		key("dedicated", "A server of its own. Default: false, resources of one type and image share a server.",
			boolean(), func(r **Resource, v bool) { (*r).Dedicated = v }),
		key("command", "Arguments for the image, a list (type container). Default: the image's own.",
			arguments(), func(r **Resource, v []string) { (*r).Command = v }),
		key("listen", "Ports inside the container by name (type container); the first is the main one. Default: none.",
			as(named(integer(1, 65535)), insidePorts), func(r **Resource, v []Listen) { (*r).Listen = v }),
		key("env", "Environment of the container (type container). May refer to other resources. Default: none.",
			environment(), func(r **Resource, v []Var) { (*r).Env = v }),
		key("volumes", "Folders inside the container that are kept (type container). Default: none.",
			listOf(text()), func(r **Resource, v []string) { (*r).Volumes = v }),
		key("health", "When it is ready (type container). Default: its first port accepts.",
			probe(), func(r **Resource, v *Probe) { (*r).Health = v }),
	}
	v := objectFrom(func(p Pos) *Resource { return &Resource{Pos: p} }, fields)
	v.schema["required"] = []string{"type"} // loader.kind says so with the name
	return v
}

func insidePorts(es []entry[int]) []Listen {
	var out []Listen
	for _, e := range es {
		out = append(out, Listen{Name: e.Name, Port: e.Value, Pos: e.Pos})
	}
	return out
}

// varRule is what names of environment variables look like: POSIX, and the dots and dashes that some
// frameworks ask for.
var varRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

const varHint = "use letters, digits and _, not beginning with a digit"

func environment() value[[]Var] {
	content := value[spot]{schema{"type": []string{"string", "number", "boolean"}}, func(c *collector, n *node) (spot, bool) {
		if n.empty() {
			c.fail(n.pos, `write "" for an empty value, or ${env:NAME} to pass one along`, "the variable has no value")
			return spot{}, false
		}
		s, ok := scalar(c, n, "a text")
		if ok && strings.ContainsRune(s, 0) {
			c.fail(n.pos, "", "a variable cannot hold a NUL byte")
			return spot{}, false
		}
		return spot{s, n.pos}, ok
	}}
	return as(mapOf(varRule, varHint, content), func(es []entry[spot]) []Var {
		var out []Var
		for _, e := range es {
			out = append(out, Var{Name: e.Name, Value: e.Value.Name, Pos: e.Value.Pos})
		}
		return out
	})
}

func probe() value[*Probe] {
	wait := func(set func(*Probe, time.Duration)) func(**Probe, time.Duration) {
		return func(p **Probe, d time.Duration) { set(*p, d) }
	}
	never := value[time.Duration]{schema{"const": "never"}, func(*collector, *node) (time.Duration, bool) { return -1, true }}
	fields := []field[*Probe]{
		key("http", "Path that must answer 2xx or 3xx, such as /readyz.", path(), func(p **Probe, v string) { (*p).HTTP = v }),
		key("tcp", "Listen name whose port must accept.", text(), func(p **Probe, v string) { (*p).TCP = v }),
		key("grpc", "Service name for the standard gRPC health check; \"-\" asks for the whole server.", text(), func(p **Probe, v string) { (*p).GRPC = v }),
		key("log", "Regular expression (RE2) that a line of output must match.", pattern(), func(p **Probe, v string) { (*p).Log = v }),
		key("exec", "Command that must exit 0.", argv(), func(p **Probe, v []string) { (*p).Exec = v }),
		key("port", "Listen name that http and grpc ask. Default: http and grpc, or the only one.", text(), func(p **Probe, v string) { (*p).Port = v }),
		key("timeout", "Longest time of one try. Default: 1s.", duration(), wait(func(p *Probe, d time.Duration) { p.Timeout = d })),
		key("deadline", "Longest time until the first success. Default: 60s.", duration(), wait(func(p *Probe, d time.Duration) { p.Deadline = d })),
		key("interval", "Time between tries once it is ready, or never. Default: 5s.",
			either(func(n *node) bool { return n.text == "never" }, never, duration()), wait(func(p *Probe, d time.Duration) { p.Interval = d })),
		key("failures", "Failures in a row before it counts as not ready. Default: 3.", integer(1, 1000), func(p **Probe, v int) { (*p).Failures = v }),
	}
	return objectFrom(func(at Pos) *Probe { return &Probe{Pos: at} }, fields)
}

// path is the path of a URL.
func path() value[string] {
	t := text()
	return value[string]{schema{"type": "string", "pattern": "^/"}, func(c *collector, n *node) (string, bool) {
		s, ok := t.read(c, n)
		if ok && !strings.HasPrefix(s, "/") {
			c.fail(n.pos, "write "+strconv.Quote("/"+s), "a path begins with a slash, not %s", shorten(s))
			return "", false
		}
		return s, ok
	}}
}
