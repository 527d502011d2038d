package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/ledger"
	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/stack"
)

// keptResults is how many results of a provider stay on this machine: one for each content of its source.
const keptResults = 50

// resultsFlag adds --results to a command that keeps or reads results.
func resultsFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("results", "", "also keep and read results in this `DIR`, such as a cache that jobs of CI share")
}

// results is where verifications on this machine keep what they found.
func (p place) results() string { return filepath.Join(p.cache(), "contracts", "results") }

// openLedger opens what is known of the stack's contracts.
func (a *App) openLedger(ctx context.Context, results string) (*ledger.Ledger, *stack.Stack, error) {
	st, err := a.load("")
	if err != nil {
		return nil, nil, err
	}
	p, err := a.place()
	if err != nil {
		return nil, nil, err
	}
	folders := []string{p.results()}
	if results != "" {
		folders = append(folders, a.absolute(results))
	}
	l, err := ledger.Open(ctx, st.Dir, folders...)
	if err != nil {
		return nil, nil, ledgerTrouble(err)
	}
	return l, st, nil
}

// ledgerTrouble is an error of git or of the files of the ledger.
func ledgerTrouble(err error) error {
	hint := ""
	switch {
	case errors.Is(err, ledger.ErrNoRepository):
		hint = "versions of services are commits: git init, git commit"
	case errors.Is(err, ledger.ErrNoRevision):
		hint = "in a shallow clone git fetch --unshallow brings what is missing"
	case errors.Is(err, exec.ErrNotFound):
		hint = "install git"
	}
	return &codedError{err, exitInfrastructure, hint}
}

// serviceAt reads SERVICE or SERVICE@REF; without a REF it is HEAD.
func serviceAt(word string, st *stack.Stack) (service, ref string, err error) {
	service, ref, said := strings.Cut(word, "@")
	if !said {
		ref = "HEAD"
	}
	if ref == "" {
		return "", "", usage("write SERVICE@REF, such as orders@HEAD", "read %q: no revision is named", word)
	}
	return service, ref, checkNames([]string{service}, serviceNamesOf(st))
}

// neededPairs returns who calls whom, and who is told events of whom, each pair once.
func neededPairs(st *stack.Stack) []ledger.Pair {
	var out []ledger.Pair
	add := func(consumer, provider string) {
		if p := (ledger.Pair{Consumer: consumer, Provider: provider}); consumer != provider && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, e := range st.Edges {
		if st.Service(e.From) != nil && st.Service(e.To) != nil {
			add(e.From, e.To)
		}
	}
	for _, f := range st.Flows() {
		add(f.To, f.From)
	}
	return out
}

// book keeps what a verification finds, for the versions that it is true of.
type book struct {
	v      *verification
	ledger *ledger.Ledger // nil: the stack is in no repository
	before *ledger.Version
	dir    string
}

// openBook looks at the work tree before a verification.
func (v *verification) openBook(ctx context.Context, results string) book {
	b := book{v: v, dir: v.place.results()}
	if results != "" {
		b.dir = v.app.absolute(results)
	}
	l, err := ledger.Open(ctx, v.stack.Dir)
	if err != nil {
		return b
	}
	if b.before, err = l.At(ctx, ledger.Worktree); err == nil {
		b.ledger = l
	}
	return b
}

// close keeps the results of the verification. What changed meanwhile is not kept: nobody knows what was
// verified.
func (b book) close(ctx context.Context) {
	if b.ledger == nil {
		return
	}
	after := b.before
	for _, r := range b.v.reports {
		if !r.Cached && after == b.before {
			var err error
			if after, err = b.ledger.Again(ctx); err != nil {
				return
			}
		}
	}
	for _, r := range b.v.reports {
		if err := b.keep(ctx, r, after); err != nil {
			fmt.Fprintf(b.v.app.Err, "keep the results of %s: %v\n", r.Provider, err)
		}
	}
}

func (b book) keep(ctx context.Context, r verify.Report, after *ledger.Version) error {
	if b.v.keys[r.Provider] == "" { // it runs elsewhere
		return nil
	}
	in, ok := b.ledger.InputsOf(b.inputs(r), b.v.stack.Files)
	if !ok {
		return nil
	}
	sum, err := b.before.Sum(ctx, r.Provider, in)
	if err != nil {
		return err
	}
	if now, err := after.Sum(ctx, r.Provider, in); err != nil || now != sum {
		return err
	}
	rec := ledger.RecordOf(in, sum, r)
	if rec == nil {
		return nil
	}
	return ledger.Keep(b.dir, *rec, keptResults)
}

// inputs returns what a provider is made of: its source, its states, and the pacts that its stubs answer from.
// Nothing means that nobody can say.
func (b book) inputs(r verify.Report) []string {
	in := b.v.cache.Inputs(r.Provider)
	if !r.Cached {
		in = b.v.inputs(r.Provider)
	}
	if len(in) == 0 {
		return nil
	}
	dir := b.v.stack.Dir
	out := append([]string{filepath.Join(dir, verify.StatesDir, r.Provider+".yaml")}, in...)
	for _, p := range b.v.pacts {
		if p.Consumer == r.Provider {
			out = append(out, filepath.Join(dir, contracts.Dir, p.FileName()))
		}
	}
	return out
}
