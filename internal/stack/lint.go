package stack

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// commandRef finds what may be our references in a command, where nothing replaces them. A shell's own
// ${VAR} is none, and ${a.b} only where a is ours.
var commandRef = regexp.MustCompile(`\$\{(?:(secret|env):[^}]*|([a-z0-9-]+)(?:\.[a-z0-9-]+){1,2})\}`)

// lintArgument refuses what a command line must not or cannot hold: every user of the machine can read
// the arguments of a process, so a secret belongs into the environment.
func lintArgument(c *collector, n *node, s string) bool {
	if strings.ContainsRune(s, 0) {
		c.fail(n.pos, "", "a command cannot hold a NUL byte")
		return false
	}
	for _, m := range commandRef.FindAllStringSubmatch(s, -1) {
		if m[1] == SchemeSecret {
			c.fail(n.pos, "put it into `env`: the arguments of a process can be read by every user", "a secret in a command: %s", m[0])
			return false
		}
	}
	lintPassword(c, n, s)
	return true
}

// commands finds references in the commands of services and resources, which would stay as they are.
func (l *loader) commands() {
	for _, s := range l.st.Services {
		l.command(l.keyPos(s, "command"), "command", s.Command)
		if s.Build != nil {
			l.command(s.Build.Pos, "build", s.Build.Command)
		}
		if s.Health != nil {
			l.command(s.Health.Pos, "health", s.Health.Exec)
		}
		for _, t := range s.Tasks {
			l.command(t.Pos, "tasks", t.Command)
		}
	}
	for _, r := range l.st.Resources {
		l.command(l.resourcePos(r, "command"), "command", r.Command)
	}
}

func (l *loader) command(pos Pos, key string, argv []string) {
	for _, m := range commandRef.FindAllStringSubmatch(strings.Join(argv, " "), -1) {
		if m[1] != "" || m[2] == Self || l.index.has(m[2]) {
			l.fail(pos, "put it into `env`, and use the variable in a command for the shell", "references are replaced in env only, not in %s: %s", key, m[0])
			return
		}
	}
}

// passwordArgument finds a password written out on a command line.
var passwordArgument = regexp.MustCompile(`(?i)--?(password|passwd|secret|token|api-?key)[= ]['"]?[^\s'"$]`)

func lintPassword(c *collector, n *node, s string) {
	if m := passwordArgument.FindStringSubmatch(s); m != nil {
		c.warn(n.pos, "put it into `env` as ${secret:NAME}", "the %s in a command can be read by every user of this machine", strings.ToLower(m[1]))
	}
}

// maxPattern bounds the program that a regular expression is compiled to.
const maxPattern = 10_000

// pattern is a regular expression that is cheap to match.
func pattern() value[string] {
	return value[string]{schema{"type": "string", "format": "regex"}, func(c *collector, n *node) (string, bool) {
		s, ok := scalar(c, n, "a regular expression")
		if !ok {
			return "", false
		}
		re, err := syntax.Parse(s, syntax.Perl)
		if err != nil {
			c.fail(n.pos, "", "%s is not a regular expression: %v", shorten(s), err.(*syntax.Error).Code)
			return "", false
		}
		if weight(re) > maxPattern {
			c.fail(n.pos, "repeat less", "the regular expression is too large")
			return "", false
		}
		return s, s != "" || blank(c, n)
	}}
}

// weight estimates how many instructions re compiles to.
func weight(re *syntax.Regexp) int {
	total := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		total = min(total+weight(sub), maxPattern+1)
	}
	if re.Op == syntax.OpRepeat {
		total = min(total*max(re.Min, re.Max, 1), maxPattern+1)
	}
	return total
}

// comparison is one condition on a version: >=3.11.
var comparison = regexp.MustCompile(`^(>=|<=|>|<|=|==|~|\^)?v?(\d+(?:\.\d+){0,3})$`)

// constraint is one or more conditions on a version, all of which must hold.
func constraint() value[string] {
	return value[string]{schema{"type": []string{"string", "number"}}, func(c *collector, n *node) (string, bool) {
		s, ok := scalar(c, n, `a version such as ">=3.11", or "*",`)
		if !ok || s == "*" {
			return "", ok
		}
		for _, word := range conditions(s) {
			if !comparison.MatchString(word) {
				c.fail(n.pos, `write ">=3.11", ">=18 <21" or "*"`, "%s is not a version", shorten(s))
				return "", false
			}
		}
		return s, true
	}}
}

// conditions splits ">= 18, < 21" into ">=18" and "<21".
func conditions(s string) []string {
	words := strings.Fields(strings.ReplaceAll(s, ",", " "))
	var out []string
	for _, w := range words {
		if n := len(out); n > 0 && strings.Trim(out[n-1], "<>=~^") == "" {
			out[n-1] += w
		} else {
			out = append(out, w)
		}
	}
	if len(out) == 0 {
		out = []string{""}
	}
	return out
}

// Allows reports whether the version of a tool, such as "3.11.2", meets the requirement. A condition
// looks only at as many numbers as it has: "=3.11" and "3.11" allow 3.11.2.
func (r Requirement) Allows(version string) bool {
	if r.Version == "" {
		return true
	}
	for _, word := range conditions(r.Version) {
		m := comparison.FindStringSubmatch(word)
		if m == nil || !holds(m[1], numbers(version), numbers(m[2])) {
			return false
		}
	}
	return true
}

func holds(op string, have, want []int) bool {
	for len(have) < len(want) {
		have = append(have, 0)
	}
	d := compare(have[:len(want)], want)
	switch op {
	case ">=":
		return d >= 0
	case "<=":
		return d <= 0
	case ">":
		return d > 0
	case "<":
		return d < 0
	case "^":
		return d >= 0 && have[0] == want[0]
	case "~":
		return d >= 0 && compare(have[:min(2, len(want))], want[:min(2, len(want))]) == 0
	}
	return d == 0
}

func compare(a, b []int) int {
	for i := range a {
		if a[i] != b[i] {
			return a[i] - b[i]
		}
	}
	return 0
}

func numbers(version string) []int {
	var out []int
	for _, w := range strings.Split(strings.TrimPrefix(version, "v"), ".") {
		n, err := strconv.Atoi(w[:len(w)-len(strings.TrimLeft(w, "0123456789"))])
		if err != nil {
			break
		}
		out = append(out, n)
	}
	return out
}
