package stack

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// value reads one sort of YAML value and says what it looks like in the JSON schema. read reports its
// mistakes itself; false means that there is nothing to use.
type value[V any] struct {
	schema schema
	read   func(c *collector, n *node) (V, bool)
}

// spot is a name and where it was written.
type spot struct {
	Name string
	Pos  Pos
}

// wrong reports a value of the wrong sort.
func wrong(c *collector, n *node, want string) {
	got := map[yaml.Kind]string{yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list"}[n.kind]
	if n.empty() {
		got = "nothing"
	} else if n.kind == yaml.ScalarNode {
		got = shorten(n.text)
	}
	c.fail(n.pos, "", "%s is wanted here, not %s", want, got)
}

// shorten quotes text for a message.
func shorten(text string) string {
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	return strconv.Quote(text)
}

// scalar reads any plain value as it is written.
func scalar(c *collector, n *node, want string) (string, bool) {
	if n.kind != yaml.ScalarNode || n.empty() {
		wrong(c, n, want)
		return "", false
	}
	return n.text, true
}

// text is one line of words.
func text() value[string] {
	return value[string]{schema{"type": "string"}, func(c *collector, n *node) (string, bool) {
		s, ok := scalar(c, n, "a text")
		if ok && strings.ContainsFunc(s, func(r rune) bool { return unseen(r) || r == '\n' || r == '\r' }) {
			c.fail(n.pos, "", "%s has a control character", shorten(s))
			return "", false
		}
		if ok && strings.Contains(s, "${") {
			c.fail(n.pos, "put it into `env`", "references are replaced in env only, not in %s", shorten(s))
			return "", false
		}
		return s, ok && s != "" || ok && blank(c, n)
	}}
}

func blank(c *collector, n *node) bool {
	c.fail(n.pos, "leave the key away", "the text is empty")
	return false
}

// matching is a text that a pattern allows whole.
func matching(re *regexp.Regexp, hint string) value[string] {
	t := text()
	return value[string]{schema{"type": "string", "pattern": re.String()}, func(c *collector, n *node) (string, bool) {
		s, ok := t.read(c, n)
		if ok && !re.MatchString(s) {
			c.fail(n.pos, hint, "%s is not a good name", shorten(s))
			return "", false
		}
		return s, ok
	}}
}

// oneOf is one of a few words.
func oneOf(words ...string) value[string] {
	return value[string]{schema{"enum": words}, func(c *collector, n *node) (string, bool) {
		want := "one of " + strings.Join(words, ", ")
		s, ok := scalar(c, n, want)
		if ok && !slices.Contains(words, s) {
			c.fail(n.pos, suggest(s, words), "%s is wanted here, not %s", want, shorten(s))
			return "", false
		}
		return s, ok
	}}
}

func boolean() value[bool] {
	return value[bool]{schema{"type": "boolean"}, func(c *collector, n *node) (bool, bool) {
		if n.kind != yaml.ScalarNode || n.tag != "!!bool" {
			wrong(c, n, "true or false")
			return false, false
		}
		b, err := strconv.ParseBool(n.text)
		if err != nil {
			wrong(c, n, "true or false")
		}
		return b, err == nil
	}}
}

func integer(least, most int) value[int] {
	want := fmt.Sprintf("a number from %d to %d", least, most)
	return value[int]{schema{"type": "integer", "minimum": least, "maximum": most}, func(c *collector, n *node) (int, bool) {
		i, err := strconv.Atoi(n.text)
		if n.kind != yaml.ScalarNode || n.tag != "!!int" || err != nil || i < least || i > most {
			wrong(c, n, want)
			return 0, false
		}
		return i, true
	}}
}

// maxDuration keeps sums of durations far from overflow.
const maxDuration = 24 * time.Hour

func duration() value[time.Duration] {
	sch := schema{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}
	return value[time.Duration]{sch, func(c *collector, n *node) (time.Duration, bool) {
		s, ok := scalar(c, n, "a duration such as 500ms, 10s or 2m")
		if !ok {
			return 0, false
		}
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 || d > maxDuration {
			hint := ""
			if n.tag == "!!int" && s != "0" {
				hint = "write " + s + "s for seconds"
			}
			c.fail(n.pos, hint, "a duration such as 500ms, 10s or 2m is wanted here, not %s", shorten(s))
			return 0, false
		}
		return d, true
	}}
}

// units of memory: powers of 1024, as container engines read them.
var memoryText = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s*([KkMmGgTt]?)i?[Bb]?$`)

// memory is a number of bytes: 256M is 256·1024².
func memory() value[int64] {
	return value[int64]{schema{"type": []string{"string", "integer"}, "pattern": memoryText.String()}, func(c *collector, n *node) (int64, bool) {
		s, ok := scalar(c, n, "an amount of memory such as 256M or 1G")
		if !ok {
			return 0, false
		}
		m := memoryText.FindStringSubmatch(s)
		if m == nil {
			wrong(c, n, "an amount of memory such as 256M or 1G")
			return 0, false
		}
		f, _ := strconv.ParseFloat(m[1], 64)
		bytes := f * math.Pow(1024, float64(strings.Index(" kmgt", strings.ToLower(m[2] + " ")[:1])))
		if bytes < 1<<20 || bytes > 1<<50 {
			c.fail(n.pos, "write a unit, such as 256M", "%s is not a limit that a program can live with", shorten(s))
			return 0, false
		}
		return int64(bytes), true
	}}
}

// cores is a number of CPU cores: 0.5, 2 or 500m.
func cores() value[float64] {
	sch := schema{"type": []string{"number", "string"}, "pattern": `^[0-9]+(\.[0-9]+)?m?$`}
	return value[float64]{sch, func(c *collector, n *node) (float64, bool) {
		s, ok := scalar(c, n, "a number of cores such as 0.5 or 2")
		if !ok {
			return 0, false
		}
		num, thousandth := strings.CutSuffix(s, "m")
		f, err := strconv.ParseFloat(num, 64)
		if thousandth {
			f /= 1000
		}
		if err != nil || !(f >= 0.01 && f <= 1024) {
			wrong(c, n, "a number of cores such as 0.5 or 2")
			return 0, false
		}
		return f, true
	}}
}

// listOf is a list of one sort of value.
func listOf[V any](v value[V]) value[[]V] {
	sch := schema{"type": "array", "items": v.schema}
	return value[[]V]{sch, func(c *collector, n *node) ([]V, bool) {
		if n.kind != yaml.SequenceNode {
			if isScalar(n) && !n.empty() {
				c.fail(n.pos, "write ["+n.text+"]", "a list is wanted here, not %s", shorten(n.text))
			} else {
				wrong(c, n, "a list")
			}
			return nil, false
		}
		var out []V
		for _, item := range n.values {
			if got, ok := v.read(c, item); ok {
				out = append(out, got)
			}
		}
		return out, true
	}}
}

// at keeps where a text stands.
func at(v value[string]) value[spot] {
	return value[spot]{v.schema, func(c *collector, n *node) (spot, bool) {
		s, ok := v.read(c, n)
		return spot{s, n.pos}, ok
	}}
}

// arguments is a list of arguments.
func arguments() value[[]string] {
	return listOf(value[string]{schema{"type": []string{"string", "number"}}, func(c *collector, n *node) (string, bool) {
		s, ok := scalar(c, n, "an argument")
		return s, ok && lintArgument(c, n, s)
	}})
}

// argv is a command: a list of arguments, or a line for the shell.
func argv() value[[]string] {
	item := schema{"type": []string{"string", "number"}}
	sch := schema{"anyOf": []schema{{"type": "string"}, {"type": "array", "items": item, "minItems": 1}}}
	return value[[]string]{sch, func(c *collector, n *node) ([]string, bool) {
		items := []*node{n}
		if n.kind == yaml.SequenceNode {
			items = n.values
		}
		var out []string
		for _, item := range items {
			s, ok := scalar(c, item, "a command, as a text or a list of texts,")
			if !ok || !lintArgument(c, item, s) {
				return nil, false
			}
			out = append(out, s)
		}
		if len(out) == 0 || strings.TrimSpace(out[0]) == "" {
			c.fail(n.pos, "leave the key away", "the command is empty")
			return nil, false
		}
		if n.kind == yaml.ScalarNode {
			out = []string{"sh", "-c", n.text}
		}
		return out, true
	}}
}

// either reads what first accepts with a, and anything else with b.
func either[V any](first func(n *node) bool, a, b value[V]) value[V] {
	return value[V]{schema{"anyOf": []schema{a.schema, b.schema}}, func(c *collector, n *node) (V, bool) {
		if first(n) {
			return a.read(c, n)
		}
		return b.read(c, n)
	}}
}

// optional reads nothing as the zero value.
func optional[V any](v value[V]) value[V] {
	sch := schema{"anyOf": []schema{{"type": "null"}, v.schema}}
	return value[V]{sch, func(c *collector, n *node) (V, bool) {
		if n.empty() {
			var none V
			return none, true
		}
		return v.read(c, n)
	}}
}

func isScalar(n *node) bool  { return n.kind == yaml.ScalarNode }
func isMapping(n *node) bool { return n.kind == yaml.MappingNode }

// as turns what v reads into another type.
func as[V, W any](v value[V], turn func(V) W) value[W] {
	return value[W]{v.schema, func(c *collector, n *node) (W, bool) {
		got, ok := v.read(c, n)
		if !ok {
			var none W
			return none, false
		}
		return turn(got), true
	}}
}
