package experiment

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/chaos"
)

// filledIn are the keys of each kind of probe, step and workload in whose texts variables are filled in. In every other
// `${…}` is plain text.
var filledIn = map[string][]string{
	"http":    {"http", "header", "json", "body", "answers", "holds", "lacks", "find", "want"},
	"publish": {"json", "header", "key"},
	"sql":     {"query", "exec"},
	"redis":   {"do"},
	"log":     {"find"},
	"traces":  {"traces"},
	"file":    {"file", "holds", "lacks", "find", "want"},
	"cmd":     {"cmd", "env", "holds", "lacks", "find", "want"},
	"run":     {"run", "env", "holds", "lacks", "find", "want"},
}

// place is a text of the file, or several, in which variables are filled in.
type place struct {
	at      *yaml.Node
	keys    bool // those of mappings are filled in too
	counted bool // ${n} is the number of the request
}

// fills notes where variables are filled in of a probe, step or workload. They are looked at when it is known which the
// file makes.
func (r *reader) fills(n *yaml.Node, kind string, counted bool) {
	for _, key := range filledIn[kind] {
		value := has(n, key)
		switch {
		case value == nil:
		case key == "cmd" && shelled(value): // a shell has variables of its own, which are written the same way
		case key == "want" && strings.HasPrefix(strings.TrimSpace(value.Value), "~"): // a pattern
		default:
			r.places = append(r.places, place{value, key == "json", counted})
		}
	}
}

// shelled reports a command that an interpreter reads: a line, or words of which one is a shell or -c.
func shelled(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode || slices.ContainsFunc(n.Content, func(word *yaml.Node) bool { return interprets(word.Value) })
}

func interprets(word string) bool { return shells.MatchString(path.Base(word)) }

// shells are interpreters, and what gives one a program.
var shells = regexp.MustCompile(`^((ba|da|z|k|fi)?sh|-[a-z]*c)$`)

// variables names each variable that nothing gives: it would be left as it is written, and what is asked with it mean
// nothing. Configured are those which reading has filled in already.
func (r *reader) variables(e *Experiment, configured map[string]string) {
	given := map[string]bool{"run": true, "seed": true, "dir": true}
	for name := range configured {
		given[name] = true
	}
	for _, s := range e.steps() {
		if q, ok := s.Act.(*request); ok {
			for name := range q.kept {
				given[name] = true
			}
		}
	}
	c := &check{r, given, configured, slices.Sorted(maps.Keys(given))}
	for _, p := range r.places {
		c.place(p, p.at)
	}
}

// check holds texts against the variables that are given.
type check struct {
	*reader
	given      map[string]bool
	configured map[string]string // nil: the file is one of ours
	known      []string          // the names that are given, in order
}

func (c *check) place(p place, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		for _, found := range braced.FindAllStringSubmatch(n.Value, -1) {
			if !c.full() {
				c.variable(p, n, found[1])
			}
		}
	}
	for i, one := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 || p.keys {
			c.place(p, one)
		}
	}
}

// braced is what may be meant as a variable.
var braced = regexp.MustCompile(`\$\{([^${}]+)\}`)

func (c *check) variable(p place, n *yaml.Node, name string) {
	written := "${" + name + "}"
	_, configured := c.configured[name]
	switch {
	case configured:
	case !variable.MatchString(written):
		if near := c.alike(name); near != "" {
			c.fail(n, "write ${"+near+"}: a name has small letters, digits and _", "%s is no variable", shorten(written))
		}
	case c.given[name] || name == "n" && p.counted:
	case name == "n":
		c.fail(n, "name the request by ${run}", "${n} is the number of a request: only a workload of http has it")
	default:
		why := "no step keeps it"
		if c.configured != nil {
			why = "the configuration has no such name"
		}
		c.fail(n, c.near(name), "nothing gives %s: %s", shorten(written), why)
	}
}

// near is a hint at the nearest name, or at all where they are few.
func (c *check) near(name string) string {
	otherwise := ""
	if len(c.known) <= 20 {
		otherwise = "known are " + strings.Join(c.known, ", ")
	}
	return chaos.Meant(name, c.known, otherwise)
}

// alike is what a name should be that differs from a known one in capitals, blanks and dashes at most, or "".
func (c *check) alike(name string) string {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", "_") }
	for _, k := range c.known {
		if plain(k) == plain(name) {
			return plain(k)
		}
	}
	return ""
}
