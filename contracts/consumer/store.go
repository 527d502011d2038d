package consumer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/contracts"
)

// File is one pact file beside what the tests say.
type File struct {
	Edge  string
	Path  string
	State State
	Pact  contracts.Pact     // what the tests say; of Removed: what the file says
	Diff  []contracts.Change // of Stale: what the tests say otherwise than the file
}

// State is how a pact file stands to what the tests say.
type State string

// The states of a file.
const (
	Same    State = "unchanged"
	New     State = "new"     // there is no file yet
	Stale   State = "stale"   // the file says something else
	Removed State = "removed" // no test writes it any more
)

// Compare puts the pacts of those consumers beside the files in dir. Files of other consumers, and files that
// are no pacts and have no name of these, are left alone. What was derived from traffic and is still pending
// stays: no test wrote it.
func Compare(dir string, pacts []contracts.Pact, consumers []string) []File {
	there, _ := contracts.Load(dir) // what cannot be read is stale
	var out []File
	for _, p := range pacts {
		p = withDerived(there, p)
		f := File{Edge: p.Edge(), Path: filepath.Join(dir, p.FileName()), State: New, Pact: p}
		if body, err := os.ReadFile(f.Path); err == nil {
			f.State = Same
			if !bytes.Equal(body, p.Canonical()) {
				f.State = Stale
				f.Diff = since(there, p)
			}
		}
		out = append(out, f)
	}
	for _, old := range there {
		made := slices.ContainsFunc(pacts, func(p contracts.Pact) bool { return p.FileName() == filepath.Base(old.File) })
		if slices.Contains(consumers, old.Consumer) && !made && len(derived(old)) == 0 {
			out = append(out, File{Edge: old.Edge(), Path: old.File, State: Removed, Pact: old})
		}
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Edge, b.Edge) })
	return out
}

// withDerived adds to p what was derived in the file of its edge.
func withDerived(there []contracts.Pact, p contracts.Pact) contracts.Pact {
	for _, old := range there {
		if old.Edge() == p.Edge() {
			p, _ = contracts.Merge(p, contracts.Pact{Consumer: p.Consumer, Provider: p.Provider, Interactions: derived(old)})
		}
	}
	return p
}

// derived returns the interactions of a pact that no test wrote.
func derived(p contracts.Pact) []contracts.Interaction {
	return slices.DeleteFunc(slices.Clone(p.Interactions), func(i contracts.Interaction) bool { return !i.Derived() })
}

// since returns what p says otherwise than the file of its edge.
func since(there []contracts.Pact, p contracts.Pact) []contracts.Change {
	for _, old := range there {
		if old.Edge() == p.Edge() {
			return contracts.Diff(old, p)
		}
	}
	return nil
}

// Write makes the files be what the tests say. Each file is the old one or the new one at every moment.
func Write(files []File) error {
	for _, f := range files {
		if f.State == New || f.State == Stale {
			if err := contracts.Replace(f.Path, f.Pact.Canonical(), 0o644); err != nil {
				return fmt.Errorf("write %s: %w", f.Path, err)
			}
		}
	}
	for _, f := range files {
		if f.State == Removed {
			if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove %s: %w", f.Path, errors.Unwrap(err))
			}
		}
	}
	return nil
}
