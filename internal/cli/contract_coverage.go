package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/coverage"
	"msctl.dev/msctl/internal/telemetry"
)

func newContractCoverage(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "coverage",
		Short: "Compare what services were seen to ask of each other with what their pacts say",
		Long: "coverage reads the traces of the fleet that runs, or ran last, and lists for each edge the requests, calls\n" +
			"and messages that no pact holds, those of pacts that nobody was seen to make, and edges without a pact. Paths\n" +
			"of one route are one request, where the provider's own traces tell its routes. Elsewhere parts of a path that\n" +
			"are parameters of a state, that look like an id, that a regular expression leaves free, or of which there are\n" +
			"many, stand for any: `{}`. --min fails with 1 where a smaller part of what was seen is in\n" +
			"pacts, and with 4 where nothing was seen.",
		Example: "  msctl contract coverage\n  msctl contract coverage --since 1h --min 80\n  msctl contract coverage --json | jq -r 'select(.pact==false) | .consumer+\":\"+.provider'",
		Args:    args(cobra.NoArgs),
	}
	since := cmd.Flags().String("since", "24h", "of the last `DURATION`, or since this time")
	least := cmd.Flags().Float64("min", 0, "fail where less than this `PERCENT` of what was seen is in pacts")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		from, err := momentFlag("--since", *since, time.Now())
		if err != nil {
			return err
		}
		if *least < 0 || *least > 100 {
			return usage("0 to 100", "read --min: %v is no percentage", *least)
		}
		edges, err := a.coverage(cmd.Context(), from)
		if err != nil {
			return err
		}
		return a.tellCoverage(edges, *least, *asJSON)
	}
	return cmd
}

// coverage compares the traces since a time with the pacts of the stack.
func (a *App) coverage(ctx context.Context, since time.Time) ([]coverage.Edge, error) {
	st, err := a.load("")
	if err != nil {
		return nil, err
	}
	p, err := a.place()
	if err != nil {
		return nil, err
	}
	pacts, err := contracts.Load(filepath.Join(st.Dir, contracts.Dir))
	if err != nil {
		return nil, &codedError{err, exitInfrastructure, "`msctl contract test` writes them"}
	}
	spans, err := spansIn(ctx, p, since)
	if err != nil {
		return nil, &codedError{err, exitInfrastructure, ""}
	}
	seen := slices.DeleteFunc(spans.Seen(), func(s coverage.Seen) bool { return st.Service(s.Consumer) == nil || st.Service(s.Provider) == nil })
	var declared []coverage.Pair
	for _, e := range neededPairs(st) {
		declared = append(declared, coverage.Pair(e))
	}
	return coverage.Compare(declared, pacts, seen, spans.Routes()), nil
}

// spansIn reads what the traces of a place tell; nothing where it keeps none.
func spansIn(ctx context.Context, p place, since time.Time) (*coverage.Spans, error) {
	spans := &coverage.Spans{}
	store, err := telemetry.OpenRead(p.telemetry())
	if errors.Is(err, fs.ErrNotExist) {
		return spans, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read traces: %w", err)
	}
	err = store.ScanKeys(ctx, since, time.Now(), coverage.Keys, func(s *telemetry.Span) bool {
		spans.Add(s)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read traces: %w", err)
	}
	return spans, nil
}

// jsonOperation is one operation of an edge under --json.
type jsonOperation struct {
	Edge string `json:"edge"`
	Kind string `json:"kind"` // http, call or message
	coverage.Operation
	State string `json:"state"` // covered, unseen or uncovered
}

func stateOf(o coverage.Operation) string {
	switch {
	case !o.Seen():
		return "unseen"
	case o.Pacts == 0:
		return "uncovered"
	}
	return "covered"
}

func (a *App) tellCoverage(edges []coverage.Edge, least float64, asJSON bool) error {
	percent, any := coverage.Percent(edges)
	var err error
	if asJSON {
		err = a.coverageJSON(edges, percent, any)
	} else {
		a.printCoverage(edges)
	}
	switch {
	case err != nil:
		return err
	case !any:
		fmt.Fprintln(a.Err, "no traffic between services was seen: `msctl up`, use the stack, and ask again")
		if least > 0 {
			return silent(exitUnknown)
		}
		return nil
	}
	fmt.Fprintf(a.Err, "%.0f%% of what was seen is in pacts\n", percent)
	if percent < least {
		return failed("write contracts for what has none: docs/contracts.md", "%.1f%% is less than %v%%", percent, least)
	}
	return nil
}

func (a *App) coverageJSON(edges []coverage.Edge, percent float64, any bool) error {
	for _, e := range edges {
		seen, covered := e.Count()
		err := writeJSON(a.Out, "edge", struct {
			Consumer string `json:"consumer"`
			Provider string `json:"provider"`
			Pact     bool   `json:"pact"`
			Declared bool   `json:"declared"`
			Seen     int    `json:"seen"`    // operations
			Covered  int    `json:"covered"` // of them
		}{e.Consumer, e.Provider, e.Pact, e.Declared, seen, covered})
		if err != nil {
			return err
		}
		for _, o := range e.Operations {
			if err := writeJSON(a.Out, "operation", jsonOperation{e.Name(), o.Kind.String(), o, stateOf(o)}); err != nil {
				return err
			}
		}
	}
	var share *float64
	if any {
		share = &percent
	}
	return writeJSON(a.Out, "coverage", struct {
		Percent *float64 `json:"percent"` // null: nothing was seen
	}{share})
}

// printCoverage shows each edge with what is in only one of the two.
func (a *App) printCoverage(edges []coverage.Edge) {
	s := a.shown()
	for _, e := range edges {
		seen, covered := e.Count()
		mark, note := cell{"ok", green}, fmt.Sprintf("%d of %d seen are in the pact", covered, seen)
		switch {
		case !e.Pact:
			mark, note = cell{"--", yellow}, "no pact"
			if !e.Declared {
				note = "no pact, and not in stack.yaml"
			}
		case seen == 0:
			mark, note = cell{"??", yellow}, "nothing was seen"
		case covered < seen:
			mark = cell{"--", yellow}
		}
		fmt.Fprintf(s, "%s  %s  %s\n", s.paint(mark.colour, mark.text), pad(e.Name(), 26), note)
		for _, o := range e.Operations {
			printOperation(s, e, o)
		}
	}
}

func printOperation(s screen, e coverage.Edge, o coverage.Operation) {
	switch stateOf(o) {
	case "uncovered":
		fmt.Fprintf(s, "      %s %s %s  in no pact, seen %s\n", s.paint(yellow, "+"), o.Kind, clean(o.Name), times(o.Count))
	case "unseen":
		if seen, _ := e.Count(); seen > 0 {
			fmt.Fprintf(s, "      %s %s %s  never seen\n", s.paint(dim, "-"), o.Kind, clean(o.Name))
		}
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
