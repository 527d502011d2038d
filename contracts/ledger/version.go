package ledger

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/contracts"
)

// Worktree is the name of the version that lies in the work tree, committed or not.
const Worktree = "worktree"

// never are folders that hold what is made, not written.
var never = []string{"node_modules", "__pycache__", "venv", ".venv", ".git", ".msctl"}

// maxPact bounds a pact or a stack file of a revision in bytes.
const maxPact = 8 << 20

// Version is the content of the repository at one commit, or in the work tree.
type Version struct {
	Commit string // full; "" the work tree's
	repo   repository
	files  []file            // by path
	sums   map[string]string // of inputs, by the inputs
	pacts  []contracts.Pact
	read   bool // pacts are
}

// file is one file of a version.
type file struct {
	path string // from the top of the repository
	blob string // name of its content in git
}

// String returns what people call the version.
func (v *Version) String() string {
	if v.Commit == "" {
		return Worktree
	}
	return Short(v.Commit)
}

// Name returns the full commit, or "worktree".
func (v *Version) Name() string {
	if v.Commit == "" {
		return Worktree
	}
	return v.Commit
}

// Short returns the first digits of a commit.
func Short(commit string) string { return commit[:min(len(commit), 10)] }

// committed reads the tree of a commit.
func (r repository) committed(ctx context.Context, commit string) (*Version, error) {
	out, err := git(ctx, r.top, nil, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	v := &Version{Commit: commit, repo: r, sums: map[string]string{}}
	for line := range strings.SplitSeq(string(out), "\x00") {
		head, name, ok := strings.Cut(line, "\t")
		if words := strings.Fields(head); ok && len(words) == 3 && kept(words[0], name) {
			v.files = append(v.files, file{name, words[2]})
		}
	}
	v.sort()
	return v, nil
}

// worktree reads the files as `git add --all` would take them.
func (r repository) worktree(ctx context.Context) (*Version, error) {
	index, err := git(ctx, r.top, nil, "ls-files", "-s", "-z")
	if err != nil {
		return nil, err
	}
	differ, err := git(ctx, r.top, nil, "ls-files", "-m", "-o", "-d", "--exclude-standard", "-z")
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for name := range strings.SplitSeq(string(differ), "\x00") {
		if name != "" && kept("100644", name) {
			changed[name] = true
		}
	}
	v := &Version{repo: r, sums: map[string]string{}}
	for line := range strings.SplitSeq(string(index), "\x00") {
		head, name, ok := strings.Cut(line, "\t")
		if words := strings.Fields(head); ok && len(words) == 3 && !changed[name] && kept(words[0], name) {
			v.files = append(v.files, file{name, words[1]})
		}
	}
	if err := v.hash(ctx, changed); err != nil {
		return nil, err
	}
	v.sort()
	return v, nil
}

// hash adds files by the names that git would give to their contents.
func (v *Version) hash(ctx context.Context, names map[string]bool) error {
	var there []string
	for name := range names {
		fi, err := os.Lstat(filepath.Join(v.repo.top, filepath.FromSlash(name)))
		if err == nil && fi.Mode().IsRegular() && !strings.Contains(name, "\n") {
			there = append(there, name)
		}
	}
	if len(there) == 0 {
		return nil
	}
	out, err := git(ctx, v.repo.top, strings.NewReader(strings.Join(there, "\n")+"\n"), "hash-object", "--stdin-paths")
	if err != nil {
		return err
	}
	ids := strings.Fields(string(out))
	if len(ids) != len(there) {
		return fmt.Errorf("git hash-object: %d names for %d files", len(ids), len(there))
	}
	for i, name := range there {
		v.files = append(v.files, file{name, ids[i]})
	}
	return nil
}

// kept reports a regular file that somebody wrote.
func kept(mode, name string) bool {
	if !strings.HasPrefix(mode, "100") {
		return false
	}
	return !slices.ContainsFunc(strings.Split(path.Dir(name), "/"), func(dir string) bool { return slices.Contains(never, dir) })
}

func (v *Version) sort() {
	slices.SortFunc(v.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	v.files = slices.CompactFunc(v.files, func(a, b file) bool { return a.path == b.path })
}

// from returns the place of the first file whose path is not before name.
func (v *Version) from(name string) int {
	at, _ := slices.BinarySearchFunc(v.files, name, func(f file, name string) int { return strings.Compare(f.path, name) })
	return at
}

// content reads one file of the version; nil where there is none.
func (v *Version) content(ctx context.Context, name string) ([]byte, error) {
	at := v.from(name)
	if at == len(v.files) || v.files[at].path != name {
		return nil, nil
	}
	if v.Commit == "" {
		return os.ReadFile(filepath.Join(v.repo.top, filepath.FromSlash(name)))
	}
	id := v.files[at].blob
	all, err := v.repo.blobs(ctx, []string{id}, maxPact)
	return all[id], err
}

// own reports a file that the ledger itself writes: that is part of no version.
func (v *Version) own(f file) bool {
	rel, below := strings.CutPrefix(f.path, v.repo.prefix)
	rel = strings.TrimPrefix(rel, "/")
	return below && (rel == EnvironmentsFile || strings.HasPrefix(rel, ResultsDir+"/"))
}

// same reports whether two versions differ in nothing but what the ledger itself writes.
func (v *Version) same(w *Version) bool {
	return slices.Equal(slices.DeleteFunc(slices.Clone(v.files), v.own), slices.DeleteFunc(slices.Clone(w.files), w.own))
}

// Pacts returns the pacts of the version, in the order of their edges.
func (v *Version) Pacts(ctx context.Context) ([]contracts.Pact, error) {
	if v.read {
		return v.pacts, nil
	}
	dir := path.Join(v.repo.prefix, contracts.Dir) + "/"
	var found []file
	var ids []string
	for at := v.from(dir); at < len(v.files) && strings.HasPrefix(v.files[at].path, dir); at++ {
		f := v.files[at]
		if rel := f.path[len(dir):]; !strings.ContainsAny(rel, "/") && path.Ext(rel) == ".json" && rel[0] != '.' {
			found, ids = append(found, f), append(ids, f.blob)
		}
	}
	if v.Commit == "" {
		return v.pactsHere(found)
	}
	all, err := v.repo.blobs(ctx, ids, maxPact)
	if err != nil {
		return nil, fmt.Errorf("read the pacts of %s: %w", v, err)
	}
	for _, f := range found {
		p, err := contracts.Parse(all[f.blob], contracts.Limits{})
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", f.path, v, err)
		}
		v.pacts = append(v.pacts, p)
	}
	v.read = true
	return v.pacts, nil
}

// pactsHere reads the pacts of the work tree.
func (v *Version) pactsHere(found []file) ([]contracts.Pact, error) {
	for _, f := range found {
		p, err := contracts.LoadFile(filepath.Join(v.repo.top, filepath.FromSlash(f.path)), contracts.Limits{})
		if err != nil {
			return nil, err
		}
		v.pacts = append(v.pacts, p)
	}
	v.read = true
	return v.pacts, nil
}

// pact returns the pact of an edge, or false.
func (v *Version) pact(ctx context.Context, consumer, provider string) (contracts.Pact, bool, error) {
	all, err := v.Pacts(ctx)
	for _, p := range all {
		if p.Consumer == consumer && p.Provider == provider {
			return p, true, err
		}
	}
	return contracts.Pact{}, false, err
}
