package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/internal/stack"
)

// Cache keeps reports under all that they depend on.
type Cache struct {
	Dir  string
	Root string // of the stack; inputs are kept relative to it
}

// cacheForm is changed when reports of an older msctl may not be told again.
const cacheForm = "1"

// entry is one kept report.
type entry struct {
	Key    string   `json:"key"`
	Inputs []string `json:"inputs"` // files and folders, relative to the root
	Sum    string   `json:"sum"`    // of what is in them
	Report Report   `json:"report"`
}

// Inputs are the files that a provider is made of: in a folder, those that lie in it, or with "/..." at its
// end all below it.
type Inputs []string

// Key names everything but the provider's source that a verification depends on.
func Key(st *stack.Stack, t *Target, pacts []contracts.Pact, runtime string) string {
	h := sha256.New()
	part := func(data []byte) { fmt.Fprintf(h, "%d\n%s\n", len(data), data) }
	part([]byte(cacheForm + runtime + t.States.hash))
	part(helperSource)
	part(helperMod)
	for _, p := range pacts {
		if p.Provider == t.Name || p.Consumer == t.Name { // of its consumers, and what its stubs answer
			part([]byte(p.Edge() + p.Hash()))
		}
	}
	d := Derive(st, []string{t.Name}, pacts, nil)
	for _, one := range []any{d.Stack.Services, d.Stack.Resources} {
		text, err := json.Marshal(one)
		if err != nil {
			return "" // is never found
		}
		part(text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// File is where the report of a provider is kept.
func (c Cache) File(provider string) string { return filepath.Join(c.Dir, provider+".json") }

// Get returns the report of a provider under a key, if its source has not changed since.
func (c Cache) Get(provider, key string) (Report, bool) {
	data, err := os.ReadFile(c.File(provider))
	var e entry
	if err != nil || json.Unmarshal(data, &e) != nil || key == "" || e.Key != key {
		return Report{}, false
	}
	if sum, err := c.sum(e.Inputs); err != nil || sum != e.Sum {
		return Report{}, false
	}
	e.Report.Cached = true
	return e.Report, true
}

// Put keeps a report, unless something failed or is unknown: that may be otherwise the next time.
func (c Cache) Put(inputs Inputs, key string, r Report) error {
	if len(inputs) == 0 || r.Failure != "" || r.Count(Failed) > 0 || r.Count(Unknown) > 0 {
		return nil
	}
	e := entry{Key: key, Report: r}
	for _, path := range inputs {
		rel, err := filepath.Rel(c.Root, path)
		if err != nil {
			return err
		}
		e.Inputs = append(e.Inputs, filepath.ToSlash(rel))
	}
	slices.Sort(e.Inputs)
	e.Inputs = slices.Compact(e.Inputs)
	var err error
	if e.Sum, err = c.sum(e.Inputs); err != nil {
		return err
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return contracts.Replace(c.File(r.Provider), data, 0o600)
}

// never are folders that hold what is made, not written.
var never = []string{"node_modules", "__pycache__", "venv", ".venv", ".git", ".msctl"}

// sum names the content of inputs.
func (c Cache) sum(inputs []string) (string, error) {
	h := sha256.New()
	for _, rel := range inputs {
		path, deep := strings.CutSuffix(filepath.Join(c.Root, filepath.FromSlash(rel)), string(filepath.Separator)+"...")
		if err := addInput(h, path, deep); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// addInput adds a file, the files of a folder, or all below it.
func addInput(h hash.Hash, root string, deep bool) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (!deep || slices.Contains(never, d.Name())):
			return filepath.SkipDir
		case !d.Type().IsRegular(), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintf(h, "\n%s\n", path)
		_, err = io.Copy(h, f)
		return err
	})
}
