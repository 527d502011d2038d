// Package revision reads the pacts of a revision in git, without a checkout.
package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"strings"

	"msctl.dev/msctl/contracts"
)

// maxFiles is how many pacts a revision may hold.
const maxFiles = 5_000

// Load returns the pacts of the stack in dir as they were at rev: a branch, a tag, a commit. A revision
// without pacts holds none.
func Load(ctx context.Context, dir, rev string) ([]contracts.Pact, error) {
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("read revision %q: it is none of this repository", rev)
	}
	commit = bytes.TrimSpace(commit)
	list, err := git(ctx, dir, "ls-tree", "-z", "--name-only", string(commit), contracts.Dir+"/")
	if err != nil {
		return nil, fmt.Errorf("read revision %q: %w", rev, err)
	}
	names := strings.FieldsFunc(string(list), func(r rune) bool { return r == 0 })
	if len(names) > maxFiles {
		return nil, fmt.Errorf("read revision %q: more than %d pacts", rev, maxFiles)
	}
	var out []contracts.Pact
	for _, name := range names {
		if path.Ext(name) != ".json" {
			continue
		}
		body, err := git(ctx, dir, "show", string(commit)+":./"+name)
		if err != nil {
			return nil, fmt.Errorf("read %s of %q: %w", name, rev, err)
		}
		p, err := contracts.Parse(body, contracts.Limits{})
		if err != nil {
			return nil, fmt.Errorf("read %s of %q: %w", name, rev, err)
		}
		p.File = rev + ":" + name
		out = append(out, p)
	}
	return out, nil
}

func git(ctx context.Context, dir string, words ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, words...)...)
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.Output()
	if text := strings.TrimSpace(trouble.String()); err != nil && text != "" {
		return nil, errors.New(text)
	}
	return out, err
}
