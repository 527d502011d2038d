package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/contracts/verify"
)

// print tells what came of the verification in every form that was asked for.
func (v *verification) print() error {
	if v.opts.junit != "" {
		if err := os.WriteFile(v.app.absolute(v.opts.junit), verify.JUnit(v.reports), 0o644); err != nil {
			return failed("", "write the results: %w", err)
		}
	}
	if v.opts.github {
		for _, line := range verify.Annotations(v.reports, v.fileOf) {
			fmt.Fprintln(v.app.Out, line)
		}
	}
	if *v.opts.json {
		return v.printJSON()
	}
	v.printText()
	return nil
}

// fileOf is the file of an edge's pact, as it is named in the repository.
func (v *verification) fileOf(edge string) string {
	for _, p := range v.pacts {
		if p.Edge() == edge {
			if rel, err := filepath.Rel(v.stack.Dir, p.File); err == nil {
				return filepath.ToSlash(rel)
			}
		}
	}
	return ""
}

// jsonVerified is the end of the report under --json.
type jsonVerified struct {
	Holds   int  `json:"holds"`
	Pending int  `json:"pending"`
	Unknown int  `json:"unknown"`
	Failed  int  `json:"failed"`
	Broken  int  `json:"broken"`
	OK      bool `json:"ok"`
}

func (v *verification) count() jsonVerified {
	var n jsonVerified
	for _, r := range v.reports {
		n.Holds += r.Count(verify.Holds)
		n.Pending += r.Count(verify.Pending)
		n.Unknown += r.Count(verify.Unknown)
		n.Failed += r.Count(verify.Failed)
		n.Broken += r.Count(verify.Broken)
	}
	n.OK = verify.ExitCode(v.reports) == 0
	return n
}

func (v *verification) printJSON() error {
	for _, r := range v.reports {
		for _, one := range r.Results {
			err := writeJSON(v.app.Out, "interaction", struct {
				Edge string `json:"edge"`
				verify.Result
				Cached bool `json:"cached,omitempty"`
			}{one.Edge(), one, r.Cached})
			if err != nil {
				return err
			}
		}
	}
	return writeJSON(v.app.Out, "verified", v.count())
}

// marks are how outcomes are shown.
var marks = map[verify.Outcome][2]string{
	verify.Holds: {"ok", green}, verify.Pending: {"--", yellow}, verify.Unknown: {"??", yellow}, verify.Failed: {"!!", yellow}, verify.Broken: {"no", red},
}

// printText groups what was found by edge: a line for each that holds, and more for what does not.
func (v *verification) printText() {
	s := v.app.shown()
	hints := map[string]bool{}
	for _, r := range v.reports {
		for at := 0; at < len(r.Results); {
			end := at
			for end < len(r.Results) && r.Results[end].Edge() == r.Results[at].Edge() {
				end++
			}
			printEdge(s, r.Results[at:end], r.Cached, hints)
			at = end
		}
	}
	n := v.count()
	parts := []string{fmt.Sprintf("%d hold", n.Holds)}
	for _, p := range []struct {
		n    int
		word string
	}{{n.Broken, "broken"}, {n.Failed, "could not be tried"}, {n.Unknown, "unknown"}, {n.Pending, "pending"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	fmt.Fprintln(v.app.Err, strings.Join(parts, ", "))
}

// printEdge shows one edge: what holds as a number, the rest one by one.
func printEdge(s screen, results []verify.Result, cached bool, hints map[string]bool) {
	worst, holds := verify.Holds, 0
	order := []verify.Outcome{verify.Holds, verify.Pending, verify.Unknown, verify.Failed, verify.Broken}
	for _, r := range results {
		if r.Outcome == verify.Holds {
			holds++
		}
		if rank(order, r.Outcome) > rank(order, worst) {
			worst = r.Outcome
		}
	}
	note := ""
	if cached {
		note = ", unchanged"
	}
	fmt.Fprintf(s, "%s  %s  %d of %d hold%s\n", s.paint(marks[worst][1], marks[worst][0]), pad(results[0].Edge(), 26), holds, len(results), note)
	told := ""
	for _, r := range results {
		if r.Outcome == verify.Holds || r.Outcome == verify.Failed && r.Reason == told {
			continue
		}
		if told = r.Reason; holds == 0 && r.Outcome == verify.Failed && same(results) { // nothing could be asked at all
			fmt.Fprintf(s, "      %s\n", clean(r.Reason))
			return
		}
		fmt.Fprintf(s, "      %s %s: %s\n", s.paint(marks[r.Outcome][1], marks[r.Outcome][0]), r.Outcome, clean(r.Interaction))
		if r.Reason != "" {
			fmt.Fprintf(s, "         %s\n", clean(r.Reason))
		}
		for _, m := range r.Mismatches {
			for line := range strings.Lines(m.String()) {
				fmt.Fprintf(s, "         %s\n", clean(strings.TrimRight(line, "\n")))
			}
		}
		if r.Hint != "" && !hints[r.Hint] {
			hints[r.Hint] = true
			for line := range strings.Lines(strings.TrimSpace(r.Hint)) {
				fmt.Fprintf(s, "         %s\n", clean(strings.TrimRight(line, "\n")))
			}
		}
	}
}

// same reports whether all results have one reason.
func same(results []verify.Result) bool {
	for _, r := range results {
		if r.Reason != results[0].Reason {
			return false
		}
	}
	return true
}

func rank(order []verify.Outcome, o verify.Outcome) int {
	for i, one := range order {
		if one == o {
			return i
		}
	}
	return len(order)
}
