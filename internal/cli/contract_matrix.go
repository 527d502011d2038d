package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts/ledger"
	"msctl.dev/msctl/internal/stack"
)

func newContractMatrix(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Show of every consumer and provider whether they fit together",
		Long: "matrix shows each edge with what is known of its contract: at the work tree, or at --at, and in each\n" +
			"environment that is named by --env, with the versions that are there. It runs nothing; `contract verify` finds\n" +
			"out. `ok` holds, `no` is broken, `??` is not known, `--` is a call without a pact. The code is 0 whatever it shows:\n" +
			"`contract can-i-deploy` judges.",
		Example: "  msctl contract matrix\n  msctl contract matrix --env staging --env production\n  msctl contract matrix --json | jq -r 'select(.state==\"broken\") | .consumer'",
		Args:    args(cobra.NoArgs),
	}
	at := cmd.Flags().String("at", ledger.Worktree, "the services as they are at this `REF`")
	envs := cmd.Flags().StringArray("env", nil, "also the services as they are in this `ENVIRONMENT`; repeat")
	results := resultsFlag(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l, st, err := a.openLedger(cmd.Context(), *results)
		if err != nil {
			return err
		}
		places := []ledger.Place{l.PlaceAt(*at)}
		for _, name := range *envs {
			e, err := environment(st, name)
			if err != nil {
				return err
			}
			places = append(places, l.PlaceIn(e))
		}
		return a.contractMatrix(cmd.Context(), l, st, places, *asJSON)
	}
	return cmd
}

func (a *App) contractMatrix(ctx context.Context, l *ledger.Ledger, st *stack.Stack, places []ledger.Place, asJSON bool) error {
	s := a.shown()
	for _, place := range places {
		cells, err := l.Matrix(ctx, place, serviceNamesOf(st), neededPairs(st))
		if err != nil {
			return ledgerTrouble(err)
		}
		if !asJSON {
			fmt.Fprintln(s, s.paint(bold, clean(place.Name)))
			printMatrix(s, st, cells)
			continue
		}
		for _, c := range cells {
			err := writeJSON(a.Out, "cell", struct {
				Place string `json:"place"`
				ledger.Cell
			}{place.Name, c})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// printMatrix draws consumers by providers, and below them what is not well.
func printMatrix(s screen, st *stack.Stack, cells []ledger.Cell) {
	var providers, consumers []string
	for _, name := range serviceNamesOf(st) {
		if slices.ContainsFunc(cells, func(c ledger.Cell) bool { return c.Provider == name }) {
			providers = append(providers, name)
		}
		if slices.ContainsFunc(cells, func(c ledger.Cell) bool { return c.Consumer == name }) {
			consumers = append(consumers, name)
		}
	}
	if len(cells) == 0 {
		fmt.Fprintln(s, "  nothing is here")
		return
	}
	cols := []column{{title: ""}}
	for _, name := range providers {
		cols = append(cols, column{title: name, least: 2})
	}
	var rows [][]cell
	for _, consumer := range consumers {
		row := []cell{{consumer, ""}}
		for _, provider := range providers {
			row = append(row, matrixCell(cells, consumer, provider))
		}
		rows = append(rows, row)
	}
	writeTable(s, "  ", cols, rows)
	printOpen(s, cells)
}

// printOpen lists what does not hold, and of what nobody knows the commands that find out.
func printOpen(s screen, cells []ledger.Cell) {
	var here, open []string
	for _, c := range cells {
		switch c.State {
		case ledger.Broken:
			fmt.Fprintf(s, "  %s  %s  %s\n", s.paint(red, "no"), pad(c.Edge(), 26), cellNote(c))
		case ledger.Absent:
			open = append(open, c.Reason)
		case ledger.Unknown:
			if c.Command == "msctl contract verify "+c.Provider {
				here = append(here, c.Provider)
			} else {
				open = append(open, c.Command)
			}
		}
	}
	if len(here) > 0 {
		open = append([]string{"msctl contract verify " + strings.Join(once(here), " ")}, open...)
	}
	for _, line := range once(open) {
		fmt.Fprintf(s, "  %s  %s\n", s.paint(yellow, "??"), clean(line))
	}
}

func matrixCell(cells []ledger.Cell, consumer, provider string) cell {
	for _, c := range cells {
		if c.Consumer == consumer && c.Provider == provider {
			mark := cellMarks[c.State]
			return cell{mark[0], mark[1]}
		}
	}
	return cell{}
}
