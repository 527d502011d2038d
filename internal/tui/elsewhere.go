package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// stranger is a command of msctl that the dashboard does not take.
type stranger struct {
	name string
	here string // what shows or does the same here; "": nothing
}

// elsewhere is every command of msctl that is run in a terminal. Of commands that have others below them and take none
// here, it is the first word.
var elsewhere = []stranger{
	{"init", ""}, {"new", ""}, {"up", "start NAME starts what is stopped"}, {"down", "quit asks what becomes of the fleet, where up shows it"},
	{"ps", "services shows the same"}, {"dash", "this is it"}, {"edges", "map shows the same"}, {"wait", ""},
	{"trace diff", ""}, {"metrics", ""}, {"contract", "contracts shows what holds"},
	{"chaos heal", ""}, {"chaos kinds", ""}, {"chaos serve", ""}, {"chaos run", ""}, {"chaos explore", ""}, {"chaos score", ""},
	{"run", ""}, {"exec", ""}, {"add", ""}, {"remove", ""}, {"import", ""}, {"export", ""}, {"graph", "map shows who calls whom"},
	{"config", ""}, {"schema", ""}, {"template", ""}, {"doctor", ""}, {"completion", ""}, {"version", ""}, {"help", "? lists keys and commands"},
}

// strangers are the names of all those commands.
func strangers() []string {
	var out []string
	for _, s := range elsewhere {
		out = append(out, s.name)
	}
	return out
}

// refuse says of a command that is run elsewhere where that is; nil of all others.
func (m *model) refuse(words []string) error {
	for _, s := range elsewhere {
		own := strings.Fields(s.name)
		if len(words) < len(own) || !slices.Equal(words[:len(own)], own) {
			continue
		}
		line := cmp.Or(m.opts.Called, "msctl") + " " + strings.Join(words, " ")
		if s.here != "" {
			return fmt.Errorf("%s is run in a terminal beside this one: %s; here, %s", s.name, line, s.here)
		}
		return fmt.Errorf("%s is run in a terminal beside this one: %s", s.name, line)
	}
	return nil
}

// Knows reports whether the palette knows a command of msctl: takes it or what is below it, or says where it is run.
func Knows(command string) bool {
	words := strings.Fields(command)
	taken := func(v verb) bool { return v.name == command }
	seen := func(v View) bool { return v.Name == command }
	return slices.ContainsFunc(verbs, taken) || slices.ContainsFunc(Views, seen) || len(nextWords(words)) > 0 || (&model{}).refuse(words) != nil
}
