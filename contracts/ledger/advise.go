package ledger

import (
	"context"
	"fmt"
	"path"
	"strings"

	"msctl.dev/msctl/contracts"
)

// advise says which command makes a cell known.
func (l *Ledger) advise(ctx context.Context, c *Cell, environment string) error {
	switch c.State {
	case Absent:
		c.Command = fmt.Sprintf("msctl contract record %s %s@COMMIT", environment, c.Provider)
	case Unknown:
		here, err := l.asHere(ctx, *c)
		if err != nil {
			return err
		}
		if c.Command = "msctl contract verify " + c.Provider; !here {
			c.Command = l.elsewhere(*c)
		}
	}
	return nil
}

// asHere reports whether a verification in the work tree would verify the cell: the provider is the same, and
// the consumer's pact as well.
func (l *Ledger) asHere(ctx context.Context, c Cell) (bool, error) {
	here, err := l.At(ctx, Worktree)
	if err != nil {
		return false, err
	}
	p, said, err := here.pact(ctx, c.Consumer, c.Provider)
	if err != nil || !said || p.Hash() != c.pact.Hash() {
		return false, err
	}
	return here.same(c.provider), nil
}

// elsewhere verifies a cell in a checkout of its provider, with the pact of its consumer.
func (l *Ledger) elsewhere(c Cell) string {
	rev := c.provider.Commit
	if rev == "" {
		rev = "HEAD"
	}
	pact := path.Join(contracts.Dir, c.pact.FileName())
	out := ".msctl/at-" + Short(rev)
	in := path.Join(out, l.repo.prefix)
	steps := []string{fmt.Sprintf("git worktree add --force --detach %s %s", out, Short(rev))}
	switch {
	case c.consumer.Commit == "":
		steps = append(steps, fmt.Sprintf("cp %s %s", pact, path.Join(in, pact)))
	case c.consumer.Commit != c.provider.Commit:
		steps = append(steps, fmt.Sprintf("git -C %s checkout %s -- %s", in, Short(c.consumer.Commit), pact))
	}
	steps = append(steps, fmt.Sprintf("(cd %s && msctl contract verify %s --results %s)", in, c.Provider, quote(l.results)))
	return strings.Join(steps, " && ") + "; git worktree remove --force " + out
}

// quote writes a path for the shell.
func quote(text string) string {
	if !strings.ContainsAny(text, " '\"$`\\&|;()<>*?[]{}~#!") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
