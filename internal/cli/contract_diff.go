package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/revision"
)

func newContractDiff(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show what contracts of B say otherwise than those of A",
		Long: "diff compares two pact files, two folders of them, or two revisions in git: a branch, a tag, a commit. It\n" +
			"compares what they say, not how they are written: order, indent, version of the specification and the\n" +
			"libraries that wrote them make no difference. Code 1 says that they differ.",
		Example: "  msctl contract diff main HEAD\n  msctl contract diff old.json contracts/pacts/orders-payments.json",
		Args:    args(cobra.ExactArgs(2)),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error { return a.contractDiff(cmd.Context(), words, *asJSON) }
	return cmd
}

func (a *App) contractDiff(ctx context.Context, words []string, asJSON bool) error {
	var sides [2]map[string]contracts.Pact
	for i, word := range words {
		pacts, err := a.pactsOf(ctx, word)
		if err != nil {
			return &codedError{err, exitInfrastructure, "A and B are files, folders or revisions in git"}
		}
		sides[i] = map[string]contracts.Pact{}
		for _, p := range pacts {
			sides[i][p.Edge()] = p
		}
	}
	changes := diffEdges(sides[0], sides[1])
	if asJSON {
		for _, c := range jsonChanges(changes) {
			if err := writeJSON(a.Out, "change", c); err != nil {
				return err
			}
		}
	} else if err := printByEdge(a.shown(), changes); err != nil {
		return err
	}
	if len(changes) > 0 {
		return silent(exitFailed)
	}
	return nil
}

// diffEdges compares every edge that one of the sides has.
func diffEdges(a, b map[string]contracts.Pact) []contracts.Change {
	edges := slices.Collect(maps.Keys(a))
	edges = slices.AppendSeq(edges, maps.Keys(b))
	slices.Sort(edges)
	var out []contracts.Change
	for _, edge := range slices.Compact(edges) {
		x, y := a[edge], b[edge]
		if x.Consumer == "" {
			x.Consumer, x.Provider = y.Consumer, y.Provider
		}
		if y.Consumer == "" {
			y.Consumer, y.Provider = x.Consumer, x.Provider
		}
		out = append(out, contracts.Diff(x, y)...)
	}
	return out
}

// pactsOf reads a file, a folder or a revision.
func (a *App) pactsOf(ctx context.Context, word string) ([]contracts.Pact, error) {
	at := a.absolute(word)
	info, err := os.Stat(at)
	switch {
	case err == nil && info.IsDir():
		return contracts.Load(at)
	case err == nil:
		p, err := contracts.LoadFile(at, contracts.Limits{})
		return []contracts.Pact{p}, err
	}
	dir, err := a.stackDir()
	if err != nil {
		return nil, err
	}
	return revision.Load(ctx, dir, word)
}

// jsonChange is one difference under --json.
type jsonChange struct {
	Edge        string   `json:"edge"`
	Kind        string   `json:"kind"` // http, message or call
	Interaction string   `json:"interaction"`
	What        string   `json:"what"` // added, removed or changed
	Details     []string `json:"details,omitempty"`
}

func jsonChanges(changes []contracts.Change) []jsonChange {
	var out []jsonChange
	for _, c := range changes {
		out = append(out, jsonChange{c.Edge, c.Interaction.Kind.String(), c.Interaction.Title(), string(c.What), c.Details})
	}
	return out
}

// printByEdge prints changes under the edge that they are of.
func printByEdge(s screen, changes []contracts.Change) error {
	for len(changes) > 0 {
		edge := changes[0].Edge
		n := slices.IndexFunc(changes, func(c contracts.Change) bool { return c.Edge != edge })
		if n < 0 {
			n = len(changes)
		}
		if _, err := fmt.Fprintln(s, s.paint(bold, clean(edge))); err != nil {
			return err
		}
		if err := printContractChanges(s, changes[:n], "  "); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

var changeMarks = map[contracts.What]string{contracts.Added: "+", contracts.Removed: "-", contracts.Changed: "~"}

func printContractChanges(w io.Writer, changes []contracts.Change, before string) error {
	for _, c := range changes {
		line := fmt.Sprintf("%s%s %s %s", before, changeMarks[c.What], c.Interaction.Kind, c.Interaction.Title())
		if _, err := fmt.Fprintln(w, clean(line)); err != nil {
			return err
		}
		for _, d := range c.Details {
			if _, err := fmt.Fprintln(w, clean(before+"    "+d)); err != nil {
				return err
			}
		}
	}
	return nil
}
