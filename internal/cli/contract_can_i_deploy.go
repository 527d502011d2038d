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

func newContractCanIDeploy(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "can-i-deploy SERVICE[@REF] --to ENVIRONMENT",
		Short: "Say whether a version of a service fits what is in an environment",
		Long: "can-i-deploy looks at each contract of the service at a revision in git (HEAD, unless one is named; `worktree`\n" +
			"is what lies in the folder) with the versions of its neighbours that contracts/environments.yaml names: was the\n" +
			"consumer's pact verified against exactly that provider? Results are those that `contract verify` kept here, in\n" +
			"contracts/results/ and in --results. Code 0 says yes, 1 no, 4 that nobody knows, with the command that finds out.",
		Example: "  msctl contract can-i-deploy orders --to production\n  msctl contract can-i-deploy users@3f2a91c --to staging --json",
		Args:    args(cobra.ExactArgs(1)), ValidArgsFunction: a.completeNames,
	}
	to := cmd.Flags().String("to", "", "name of the `ENVIRONMENT`")
	results := resultsFlag(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if *to == "" {
			return usage("--to production", "ask for %s: no environment is named", words[0])
		}
		l, st, err := a.openLedger(cmd.Context(), *results)
		if err != nil {
			return err
		}
		answer, err := canIDeploy(cmd.Context(), l, st, words[0], *to)
		if err != nil {
			return err
		}
		return a.tellDeployable(answer, *asJSON)
	}
	return cmd
}

func canIDeploy(ctx context.Context, l *ledger.Ledger, st *stack.Stack, word, to string) (ledger.Answer, error) {
	service, ref, err := serviceAt(word, st)
	if err != nil {
		return ledger.Answer{}, err
	}
	there, err := environment(st, to)
	if err != nil {
		return ledger.Answer{}, err
	}
	v, err := l.At(ctx, ref)
	if err != nil {
		return ledger.Answer{}, ledgerTrouble(err)
	}
	answer, err := l.Deploy(ctx, service, v, there, serviceNamesOf(st))
	if err != nil {
		return answer, ledgerTrouble(err)
	}
	return answer, nil
}

// environment finds one environment of the stack.
func environment(st *stack.Stack, name string) (ledger.Environment, error) {
	all, err := ledger.Environments(st.Dir)
	if err != nil {
		return ledger.Environment{}, &codedError{err, exitInfrastructure, ""}
	}
	at := slices.IndexFunc(all, func(e ledger.Environment) bool { return e.Name == name })
	if at >= 0 {
		return all[at], nil
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	hint := "`msctl contract record " + name + " SERVICE@REF` says what is there"
	if near := nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return ledger.Environment{}, usage(hint, "unknown environment %q", name)
}

// deployable is what the states of edges come to.
var deployable = map[ledger.State]struct {
	word   string
	code   int
	colour string
}{
	ledger.Holds: {"yes", exitOK, green}, ledger.None: {"yes", exitOK, green}, ledger.Absent: {"unknown", exitUnknown, yellow},
	ledger.Unknown: {"unknown", exitUnknown, yellow}, ledger.Broken: {"no", exitFailed, red},
}

func (a *App) tellDeployable(answer ledger.Answer, asJSON bool) error {
	says := deployable[answer.State()]
	if asJSON {
		for _, c := range answer.Cells {
			if err := writeJSON(a.Out, "edge", c); err != nil {
				return err
			}
		}
		err := writeJSON(a.Out, "deployable", struct {
			Service     string `json:"service"`
			Version     string `json:"version"`
			Environment string `json:"environment"`
			Answer      string `json:"answer"` // yes, no or unknown
		}{answer.Service, answer.At.Name(), answer.Environment, says.word})
		if err != nil {
			return err
		}
	} else {
		a.printDeployable(answer, says.colour, says.word)
	}
	if says.code != 0 {
		return silent(says.code)
	}
	return nil
}

func (a *App) printDeployable(answer ledger.Answer, colour, word string) {
	s := a.shown()
	commands := map[string]bool{}
	for _, c := range answer.Cells {
		printCell(s, c, commands)
	}
	for _, name := range answer.Outside {
		fmt.Fprintf(a.Err, "note: %s is no service of this stack and is not judged\n", clean(name))
	}
	text := map[string]string{"yes": "fits", "no": "does not fit", "unknown": "may fit or not"}[word]
	fmt.Fprintf(s, "%s: %s@%s %s %s\n", s.paint(colour, word), answer.Service, answer.At, text, answer.Environment)
	if word == "unknown" {
		fmt.Fprintln(a.Err, "hint: run the commands above, and ask again")
	}
}

// cellMarks are how the states of edges are shown.
var cellMarks = map[ledger.State][2]string{
	ledger.Holds: {"ok", green}, ledger.None: {"--", yellow}, ledger.Absent: {"??", yellow}, ledger.Unknown: {"??", yellow}, ledger.Broken: {"no", red},
}

// printCell shows one edge, with what is broken, or what to do so that it is known.
func printCell(s screen, c ledger.Cell, commands map[string]bool) {
	mark := cellMarks[c.State]
	fmt.Fprintf(s, "%s  %s  %s\n", s.paint(mark[1], mark[0]), pad(c.Edge(), 26), cellNote(c))
	for _, b := range c.Broken {
		fmt.Fprintf(s, "      %s %s needs of %s: %s\n", s.paint(red, "no"), c.Consumer, c.Provider, clean(b.Interaction))
		for _, m := range b.Mismatches {
			for line := range strings.Lines(m.String()) {
				fmt.Fprintf(s, "         %s\n", clean(strings.TrimRight(line, "\n")))
			}
		}
	}
	if c.Command != "" && !commands[c.Command] {
		commands[c.Command] = true
		fmt.Fprintf(s, "      %s\n", clean(c.Command))
	}
}

func cellNote(c ledger.Cell) string {
	switch c.State {
	case ledger.Holds:
		return fmt.Sprintf("%d hold", c.Interactions)
	case ledger.Broken:
		return fmt.Sprintf("%d of %d broken, %s at %s, %s at %s", len(c.Broken), c.Interactions, c.Consumer, ledger.Short(c.ConsumerAt), c.Provider, ledger.Short(c.ProviderAt))
	}
	return clean(c.Reason)
}
