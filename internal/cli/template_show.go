package cli

import (
	"fmt"
	"strings"

	"msctl.dev/msctl/scaffold"
)

// templateFact is a template as JSON.
type templateFact struct {
	Name     string      `json:"name"`
	Source   string      `json:"source,omitempty"` // address in a git repository, with its digest
	Doc      string      `json:"doc"`
	Language string      `json:"language"`
	Needs    []string    `json:"needs"`
	Knows    []string    `json:"knows"`
	Events   []string    `json:"events"` // kinds that it needs for --publishes and --consumes
	Params   []paramFact `json:"params"`
	Files    []string    `json:"files"`
}

type paramFact struct {
	Name    string `json:"name"`
	Doc     string `json:"doc"`
	Default string `json:"default"`
	Pattern string `json:"pattern"`
}

func templateFacts(t *scaffold.Template) templateFact {
	f := templateFact{Name: t.Name, Doc: t.Doc, Language: t.Language, Needs: t.Needs, Knows: t.Knows, Events: t.Events.Needs}
	for _, p := range t.Params {
		f.Params = append(f.Params, paramFact{p.Name, p.Doc, p.Default, p.Pattern})
	}
	for _, file := range t.Files {
		f.Files = append(f.Files, file.To)
	}
	return f
}

// printTemplate prints it for a person. What a template says is cleaned: it may be anybody's.
func printTemplate(a *App, t *scaffold.Template) {
	fmt.Fprintf(a.Out, "%s: %s\n", clean(t.Name), clean(t.Doc))
	if len(t.Needs) > 0 {
		fmt.Fprintf(a.Out, "\nneeds   %s\n", clean(strings.Join(t.Needs, ", ")))
	}
	if len(t.Knows) > 0 {
		fmt.Fprintf(a.Out, "has code for   %s\n", clean(strings.Join(t.Knows, ", ")))
	}
	if len(t.Events.Needs) > 0 {
		fmt.Fprintf(a.Out, "publishes and consumes events with   %s\n", clean(strings.Join(t.Events.Needs, ", ")))
	}
	if len(t.Params) > 0 {
		fmt.Fprintln(a.Out, "\nparameters")
	}
	for _, p := range t.Params {
		fmt.Fprintf(a.Out, "  %s  %s", pad(clean(p.Name), 14), clean(p.Doc))
		if p.Default != "" {
			fmt.Fprintf(a.Out, " [%s]", clean(p.Default))
		}
		fmt.Fprintln(a.Out)
	}
	fmt.Fprintln(a.Out, "\nfiles")
	for _, f := range t.Files {
		fmt.Fprintf(a.Out, "  %s", clean(t.Target(f)))
		if f.When != "" {
			fmt.Fprintf(a.Out, "  (with %s)", clean(f.Condition()))
		}
		fmt.Fprintln(a.Out)
	}
}
