package ledger

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Pin writes into the folder in git every record that is true of a service in an environment, and removes those
// that are true of none any more. It returns how many files it wrote or removed.
func (l *Ledger) Pin(ctx context.Context, all []Environment) (int, error) {
	keep := map[string]Record{}
	for _, e := range all {
		for service := range e.Services {
			v, err := l.there(ctx, e, service)
			if err != nil {
				return 0, err
			}
			records, err := l.known(ctx, service, v)
			if err != nil {
				return 0, err
			}
			for _, rec := range records {
				keep[rec.fileName()] = joined(keep[rec.fileName()], rec)
			}
		}
	}
	return l.replace(keep)
}

// joined is what two records of one content say together. The later one wins.
func joined(a, b Record) Record {
	b.Results = slices.Clone(b.Results)
	for _, one := range a.Results {
		if !slices.ContainsFunc(b.Results, func(k Known) bool { return k.Consumer == one.Consumer && k.ID == one.ID }) {
			b.Results = append(b.Results, one)
		}
	}
	return b
}

// replace makes the folder in git hold these records.
func (l *Ledger) replace(keep map[string]Record) (int, error) {
	dir := filepath.Join(l.dir, filepath.FromSlash(ResultsDir))
	old, err := loadRecords(dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for name := range old {
		if _, stays := keep[name]; !stays {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return n, err
			}
			n++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(keep)) {
		before, _ := os.ReadFile(filepath.Join(dir, name)) // none is empty
		if err := Keep(dir, keep[name], 0); err != nil {
			return n, err
		}
		if after, err := os.ReadFile(filepath.Join(dir, name)); err == nil && string(after) != string(before) {
			n++
		}
	}
	return n, nil
}
