package stack

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// telemetryValue is off, on, or a mapping.
func telemetryValue() value[Telemetry] {
	word := onOff()
	short := value[Telemetry]{word.schema, func(c *collector, n *node) (Telemetry, bool) {
		on, ok := word.read(c, n)
		return Telemetry{Off: !on, Pos: n.pos}, ok
	}}
	long := objectFrom(func(p Pos) Telemetry { return Telemetry{Pos: p} }, []field[Telemetry]{
		key("otlp-http", "Port of OTLP over HTTP, or auto. Default: auto.", autoPort(), func(t *Telemetry, v int) { t.HTTP = v }),
		key("otlp-grpc", "Port of OTLP over gRPC, or auto. Default: auto.", autoPort(), func(t *Telemetry, v int) { t.GRPC = v }),
		key("forward", "OTLP endpoint that gets a copy of everything, such as http://localhost:4318 or grpc://localhost:4317. Default: none.",
			endpoint(), func(t *Telemetry, v string) { t.Forward = v }),
		key("keep", "How much is kept on disk, such as 1GB. Default: 1GB.", memory(), func(t *Telemetry, v int64) { t.Keep = v }),
		key("age", "How long it is kept, such as 12h or 7d. Default: 7d.", age(), func(t *Telemetry, v time.Duration) { t.Age = v }),
	})
	return either(isMapping, long, short)
}

// onOff is on or off; YAML's true and false mean the same.
func onOff() value[bool] {
	return value[bool]{schema{"enum": []any{"on", "off", true, false}}, func(c *collector, n *node) (bool, bool) {
		s, ok := scalar(c, n, "on or off")
		if !ok {
			return false, false
		}
		switch s {
		case "on", "true":
			return true, true
		case "off", "false":
			return false, true
		}
		c.fail(n.pos, suggest(s, []string{"off", "on"}), "on or off is wanted here, not %s", shorten(s))
		return false, false
	}}
}

// autoPort is a port, or auto, which is 0.
func autoPort() value[int] {
	p := port()
	sch := schema{"anyOf": []schema{{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 65535}}}
	return value[int]{sch, func(c *collector, n *node) (int, bool) {
		l, ok := p.read(c, n)
		if ok && l.Inside != 0 {
			c.fail(n.pos, "write one port", "nothing is behind this port")
			return 0, false
		}
		return l.Port, ok
	}}
}

// endpoint is the absolute URL of a receiver of OTLP.
func endpoint() value[string] {
	t, schemes := text(), []string{"http", "https", "grpc", "grpcs"}
	return value[string]{schema{"type": "string", "format": "uri", "pattern": "^(http|grpc)s?://"}, func(c *collector, n *node) (string, bool) {
		s, ok := t.read(c, n)
		if !ok {
			return "", false
		}
		if u, err := url.Parse(s); err == nil && u.Hostname() != "" && slices.Contains(schemes, u.Scheme) {
			return s, true
		}
		c.fail(n.pos, "it begins with http, https, grpc or grpcs", "a URL such as http://localhost:4318 is wanted here, not %s", shorten(s))
		return "", false
	}}
}

const day = 24 * time.Hour

// maxAge bounds how long anything is kept.
const maxAge = 366 * day

// age is a duration that may also be in days.
func age() value[time.Duration] {
	sch := schema{"type": "string", "pattern": `^([0-9]+d|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$`}
	return value[time.Duration]{sch, func(c *collector, n *node) (time.Duration, bool) {
		s, ok := scalar(c, n, "a time such as 12h or 7d")
		if !ok {
			return 0, false
		}
		d, err := time.ParseDuration(s)
		if days, is := strings.CutSuffix(s, "d"); is {
			var count int
			count, err = strconv.Atoi(days)
			d = time.Duration(min(count, 1000)) * day
		}
		if err != nil || d < time.Minute || d > maxAge {
			c.fail(n.pos, "", "a time such as 12h or 7d, from 1m to 366d, is wanted here, not %s", shorten(s))
			return 0, false
		}
		return d, true
	}}
}
