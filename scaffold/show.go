package scaffold

import (
	"regexp"
	"strings"
)

// Target is where a file goes, for people to read: NAME stands for the name of a service.
func (t *Template) Target(f File) string {
	params := map[string]string{}
	for _, p := range t.Params {
		if params[p.Name] = p.Default; p.Default == "" {
			params[p.Name] = strings.ToUpper(p.Name)
		}
	}
	to, err := execute("to", f.To, Values{
		Service: "NAME", Path: "services/NAME", Stack: "STACK", Module: "example.com/STACK", Kit: "services/kit", Params: params,
	})
	if err != nil || len(to) == 0 {
		return f.To // it asks for what a service would have
	}
	return string(to)
}

var (
	onlyOne = regexp.MustCompile(`^(not )?\.([A-Za-z]+)$`)
	twoOf   = regexp.MustCompile(`^(and|or) \.([A-Za-z]+) \.([A-Za-z]+)$`)
)

// Condition is when a file is written, for people to read: "database", "no database", "calls or heard"; what
// is more than that stands as it is.
func (f File) Condition() string {
	if m := onlyOne.FindStringSubmatch(f.When); m != nil {
		if m[1] != "" {
			return "no " + strings.ToLower(m[2])
		}
		return strings.ToLower(m[2])
	}
	if m := twoOf.FindStringSubmatch(f.When); m != nil {
		return strings.ToLower(m[2] + " " + m[1] + " " + m[3])
	}
	return f.When
}
