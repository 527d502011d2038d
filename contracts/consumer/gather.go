package consumer

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/contracts"
)

// deepest is how many folders a test may make within its own: one for each process is enough.
const deepest = 3

// readFolder reads every pact in the folder of one test process. origin names the process for people.
func readFolder(dir, origin string) ([]contracts.Pact, error) {
	var out []contracts.Pact
	var errs []error
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		switch {
		case d.IsDir() && strings.Count(rel, string(filepath.Separator)) >= deepest:
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".json":
			return nil
		}
		p, err := contracts.LoadFile(path, contracts.Limits{})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s wrote what is no pact: %w", origin, err))
			return nil
		}
		p.File = ""
		for n := range p.Interactions {
			p.Interactions[n].Origin = origin
		}
		out = append(out, p)
		return nil
	})
	if err == nil && len(out)+len(errs) == 0 {
		err = fmt.Errorf("%s passed and wrote no pact into %s", origin, DirVariable)
	}
	return out, errors.Join(append(errs, err)...)
}

// add joins one pact with that of the same edge.
func (r *Result) add(p contracts.Pact) {
	if p.Consumer != r.Service {
		r.Err = errors.Join(r.Err, fmt.Errorf("its tests wrote a pact of %q: the consumer must be %q", p.Consumer, r.Service))
		return
	}
	at := slices.IndexFunc(r.Pacts, func(had contracts.Pact) bool { return had.Edge() == p.Edge() })
	if at < 0 {
		r.Pacts = append(r.Pacts, p)
		slices.SortFunc(r.Pacts, func(a, b contracts.Pact) int { return strings.Compare(a.Edge(), b.Edge()) })
		return
	}
	merged, conflicts := contracts.Merge(r.Pacts[at], p)
	r.Pacts[at] = merged
	r.Conflicts = append(r.Conflicts, conflicts...)
}
