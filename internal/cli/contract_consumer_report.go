package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/consumer"
	"msctl.dev/msctl/internal/stack"
)

// consumerReport prints what became of consumer tests, for people or as JSON.
type consumerReport struct {
	app         *App
	json, check bool
	dir         string // of the stack

	broken, contradictions, infrastructure int // services
	stale, written, unchanged              int // files
	interactions                           int
}

// jsonConsumer is the tests of one service under --json.
type jsonConsumer struct {
	Service      string   `json:"service"`
	Outcome      string   `json:"outcome"` // passed, failed, contradiction or infrastructure
	Interactions int      `json:"interactions"`
	Seconds      float64  `json:"seconds"`
	Error        string   `json:"error,omitempty"`
	Conflicts    []string `json:"conflicts,omitempty"`
	Output       string   `json:"output,omitempty"`
}

func (r *consumerReport) result(c consumer.Result) error {
	j := jsonConsumer{Service: c.Service, Outcome: "passed", Seconds: c.Took.Seconds()}
	for _, p := range c.Pacts {
		j.Interactions += len(p.Interactions)
	}
	for _, conflict := range c.Conflicts {
		j.Conflicts = append(j.Conflicts, conflict.String())
	}
	switch {
	case couldNotRun(c.Err):
		j.Outcome, j.Error = "infrastructure", c.Err.Error()
		r.infrastructure++
	case c.Err != nil:
		j.Outcome, j.Error = "failed", c.Err.Error()
		r.broken++
	case len(c.Conflicts) > 0:
		j.Outcome = "contradiction"
		r.contradictions++
	}
	if j.Outcome != "passed" {
		j.Output = c.Output
	}
	r.interactions += j.Interactions
	if r.json {
		return writeJSON(r.app.Out, "consumer", j)
	}
	return r.show(c, j)
}

// show prints one service: a line, and under it what went wrong.
func (r *consumerReport) show(c consumer.Result, j jsonConsumer) error {
	s := r.app.shown()
	mark, colour := "ok", green
	if j.Outcome != "passed" {
		mark, colour = "no", red
	}
	var edges []string
	for _, p := range c.Pacts {
		edges = append(edges, fmt.Sprintf("%s %d", p.Provider, len(p.Interactions)))
	}
	text := strings.Join(edges, ", ")
	if j.Error != "" {
		text = strings.ReplaceAll(j.Error, "\n", "; ")
	}
	_, err := fmt.Fprintf(s, "%s  %s  %s\n", s.paint(colour, mark), pad(c.Service, 14), clean(text))
	for _, conflict := range j.Conflicts {
		fmt.Fprintln(s, indented(conflict))
	}
	if j.Output != "" {
		fmt.Fprintln(s, indented(j.Output))
	}
	return err
}

// indented puts every line of text further in, without what a terminal would act on.
func indented(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = "    " + clean(line)
	}
	return strings.Join(lines, "\n")
}

// jsonPactFile is one file of contracts/pacts under --json.
type jsonPactFile struct {
	Edge         string       `json:"edge"`
	File         string       `json:"file"`
	State        string       `json:"state"` // unchanged, new, stale or removed; without --check it is written by now
	Interactions int          `json:"interactions"`
	Changes      []jsonChange `json:"changes,omitempty"`
}

func (r *consumerReport) file(f consumer.File) error {
	if f.State == consumer.Same {
		r.unchanged++
	} else if r.check {
		r.stale++
	} else {
		r.written++
	}
	name, err := filepath.Rel(r.dir, f.Path)
	if err != nil {
		name = f.Path
	}
	if r.json {
		return writeJSON(r.app.Out, "pact", jsonPactFile{f.Edge, name, string(f.State), len(f.Pact.Interactions), jsonChanges(f.Diff)})
	}
	if f.State == consumer.Same {
		return nil
	}
	s := r.app.shown()
	if _, err := fmt.Fprintf(s, "%s  %s\n", s.paint(yellow, pad(r.word(f.State), 7)), clean(name)); err != nil {
		return err
	}
	return printContractChanges(s, f.Diff, "    ")
}

// word says what was done about a file, or what is wrong with it.
func (r *consumerReport) word(state consumer.State) string {
	switch {
	case r.check && state == consumer.New:
		return "missing"
	case r.check:
		return "stale"
	case state == consumer.Removed:
		return "removed"
	}
	return "written"
}

// strangers warns of providers that the stack does not have.
func (r *consumerReport) strangers(st *stack.Stack, pacts []contracts.Pact) {
	for _, p := range pacts {
		if st.Service(p.Provider) == nil {
			fmt.Fprintf(r.app.Err, "note: %s is no service of this stack, so nothing here verifies %s\n", clean(p.Provider), clean(p.Edge()))
		}
	}
}

// end says how it went in all, and returns what the exit code is made of.
func (r *consumerReport) end() error {
	files := r.stale + r.written + r.unchanged
	switch {
	case r.infrastructure > 0:
		return &codedError{errors.New("run consumer tests: " + count(r.infrastructure, "service") + " could not be tested"), exitInfrastructure,
			"msctl contract doctor says what is missing"}
	case r.broken > 0:
		return failed("contracts/pacts/ is as it was", "run consumer tests: those of %s failed", count(r.broken, "service"))
	case r.contradictions > 0:
		return failed("give one of the two another description or other states", "put pacts together: tests of %s contradict each other", count(r.contradictions, "service"))
	case r.stale > 0:
		return failed("`msctl contract test` writes them; look at the difference, and commit it", "compare pacts: %s of %s not what the tests say", count(r.stale, "file"), fmt.Sprint(files))
	}
	if !r.json {
		fmt.Fprintf(r.app.Err, "%s in %s, %d written\n", count(r.interactions, "interaction"), count(files, "pact"), r.written)
	}
	return nil
}
