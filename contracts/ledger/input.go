package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/internal/stack"
)

// Inputs are what a provider is made of. Paths are relative to the stack's folder, with slashes.
type Inputs struct {
	// Paths are files, folders for the files that lie in them, and folders with "/..." at the end for
	// all below.
	Paths []string `json:"paths"`
	// Stacks are the stack files whose entry of the provider counts.
	Stacks []string `json:"stacks"`
}

// InputsOf makes inputs of absolute paths. It reports false where there are none, or one lies outside of the
// repository: nobody can tell what that is at another revision.
func (l *Ledger) InputsOf(paths, stacks []string) (Inputs, bool) {
	var in Inputs
	for _, p := range paths {
		rel, ok := l.relative(p)
		if !ok {
			return Inputs{}, false
		}
		in.Paths = append(in.Paths, rel)
	}
	for _, p := range stacks {
		if rel, ok := l.relative(p); ok { // an override that is elsewhere is nobody else's
			in.Stacks = append(in.Stacks, rel)
		}
	}
	if len(in.Paths) == 0 {
		return Inputs{}, false
	}
	for _, list := range []*[]string{&in.Paths, &in.Stacks} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return in, true
}

func (l *Ledger) relative(p string) (string, bool) {
	rel, err := filepath.Rel(l.dir, p)
	if err != nil {
		return "", false
	}
	rel = filepath.ToSlash(rel)
	full := path.Join(l.repo.prefix, rel)
	return rel, full != ".." && !strings.HasPrefix(full, "../")
}

// Sum names the content that a provider has in a version; it is equal wherever that is.
func (v *Version) Sum(ctx context.Context, provider string, in Inputs) (string, error) {
	key := provider + "\x00" + strings.Join(in.Paths, "\x00") + "\x00\x00" + strings.Join(in.Stacks, "\x00")
	if sum, done := v.sums[key]; done {
		return sum, nil
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", form, provider)
	for _, p := range in.Paths {
		v.add(h, p)
	}
	for _, p := range in.Stacks {
		body, err := v.content(ctx, path.Join(v.repo.prefix, p))
		if err != nil {
			return "", fmt.Errorf("read %s of %s: %w", p, v, err)
		}
		entry, err := entryOf(body, provider)
		if err != nil {
			return "", fmt.Errorf("read %s of %s: %w", p, v, err)
		}
		fmt.Fprintf(h, "stack %s %d\n%s\n", p, len(entry), entry)
	}
	v.sums[key] = hex.EncodeToString(h.Sum(nil))
	return v.sums[key], nil
}

// add adds what one path stands for.
func (v *Version) add(h hash.Hash, p string) {
	root, deep := strings.CutSuffix(p, "/...")
	if p == "..." {
		root, deep = ".", true
	}
	root = path.Join(v.repo.prefix, root)
	fmt.Fprintf(h, "input %s\n", p)
	begin := root + "/"
	at := v.from(root)
	if root == "." || root == "" {
		begin, at = "", 0
	}
	for ; at < len(v.files) && strings.HasPrefix(v.files[at].path, strings.TrimSuffix(begin, "/")); at++ {
		f := v.files[at]
		rel, below := strings.CutPrefix(f.path, begin)
		if f.path != root && (!below || !deep && strings.Contains(rel, "/")) || strings.HasSuffix(f.path, "_test.go") || v.own(f) {
			continue
		}
		fmt.Fprintf(h, "%s %s\n", rel, f.blob)
	}
}

// entryOf returns what a stack file says of one service, with the resources that it names.
func entryOf(body []byte, service string) ([]byte, error) {
	var doc struct {
		Services  map[string]any `yaml:"services"`
		Resources map[string]any `yaml:"resources"`
	}
	if err := stack.GuardYAML(func() error { return yaml.Unmarshal(body, &doc) }); err != nil {
		return nil, err
	}
	entry, said := doc.Services[service]
	if !said {
		return nil, nil
	}
	own, err := yaml.Marshal(entry)
	if err != nil {
		return nil, err
	}
	used := map[string]any{}
	for name := range maps.Keys(doc.Resources) {
		if strings.Contains(string(own), name) { // in uses, or in a reference
			used[name] = doc.Resources[name]
		}
	}
	return yaml.Marshal(map[string]any{"service": entry, "resources": used})
}
