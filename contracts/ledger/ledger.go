// Package ledger answers whether versions of services fit together, from git and from results that are kept by
// what they are true of: a content of a provider and an interaction. A version is a commit. No server takes part.
package ledger

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// Ledger is what is known of the contracts of a stack. It is not safe for concurrent use.
type Ledger struct {
	dir      string // of the stack, absolute
	results  string // folder in which a verification is to keep what it finds
	repo     repository
	records  map[string][]Record // by provider
	versions map[string]*Version // by commit
}

// Open reads what is known of the stack in dir: the results in git, and those in the other folders, which
// may be missing. Of two results of one thing the later folder's counts.
func Open(ctx context.Context, dir string, results ...string) (*Ledger, error) {
	repo, err := openRepository(ctx, dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as git names it
		return nil, fmt.Errorf("find the stack's folder: %w", err)
	}
	l := &Ledger{dir: dir, repo: repo, records: map[string][]Record{}, versions: map[string]*Version{}}
	for _, folder := range append([]string{filepath.Join(dir, ResultsDir)}, results...) {
		records, err := loadRecords(folder)
		if err != nil {
			return nil, err
		}
		for _, rec := range records {
			l.know(rec)
		}
		l.results = folder
	}
	return l, nil
}

// At returns the version that a word means: [Worktree], or any revision of git.
func (l *Ledger) At(ctx context.Context, ref string) (*Version, error) {
	commit := ""
	if ref != Worktree {
		var err error
		if commit, err = l.repo.commit(ctx, ref); err != nil {
			return nil, err
		}
	}
	if v := l.versions[commit]; v != nil {
		return v, nil
	}
	read := l.repo.worktree
	if commit != "" {
		read = func(ctx context.Context) (*Version, error) { return l.repo.committed(ctx, commit) }
	}
	v, err := read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read revision %q: %w", ref, err)
	}
	l.versions[commit] = v
	return v, nil
}

// Commit returns the full name of the commit that a revision means.
func (l *Ledger) Commit(ctx context.Context, ref string) (string, error) {
	return l.repo.commit(ctx, ref)
}

// Again reads the work tree anew.
func (l *Ledger) Again(ctx context.Context) (*Version, error) {
	delete(l.versions, "")
	return l.At(ctx, Worktree)
}

// know adds a record.
func (l *Ledger) know(rec Record) {
	of := l.records[rec.Provider]
	at := slices.IndexFunc(of, func(old Record) bool { return old.Sum == rec.Sum })
	if at < 0 {
		l.records[rec.Provider] = append(of, rec)
		return
	}
	of[at] = joined(of[at], rec)
}

// known returns the records that are true of a provider in a version.
func (l *Ledger) known(ctx context.Context, provider string, v *Version) ([]Record, error) {
	var out []Record
	for _, rec := range l.records[provider] {
		sum, err := v.Sum(ctx, provider, rec.Inputs)
		if err != nil {
			return nil, err
		}
		if sum == rec.Sum {
			out = append(out, rec)
		}
	}
	return out, nil
}
