package contracts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Dir is where a stack keeps its pacts, beside stack.yaml.
const Dir = "contracts/pacts"

// Load reads every pact in dir, sorted by edge. A folder that is not there holds none. The error names each
// file that is no pact, and two files that hold one edge.
func Load(dir string) ([]Pact, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load pacts: %w", err)
	}
	var pacts []Pact
	var errs []error
	holder := map[string]string{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		p, err := LoadFile(filepath.Join(dir, e.Name()), Limits{})
		if first := holder[p.Edge()]; err == nil && first != "" {
			err = fmt.Errorf("load %s: %s holds the pact of %s already", p.File, first, p.Edge())
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		holder[p.Edge()] = p.File
		pacts = append(pacts, p)
	}
	slices.SortFunc(pacts, func(a, b Pact) int { return strings.Compare(a.Edge(), b.Edge()) })
	return pacts, errors.Join(errs...)
}

// LoadFile reads one pact. It reads regular files only, and never more than the limit.
func LoadFile(file string, limits Limits) (Pact, error) {
	data, err := readBounded(file, limits.defaults().Bytes)
	if err != nil {
		return Pact{}, fmt.Errorf("load %s: %w", file, err)
	}
	p, err := Parse(data, limits)
	if err != nil {
		return Pact{}, fmt.Errorf("load %s: %w", file, err)
	}
	p.File = file
	for n := range p.Interactions {
		p.Interactions[n].Origin = file
	}
	return p, nil
}

// readBounded reads at most one byte more than max, so that [Parse] sees what is too long.
func readBounded(file string, max int) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(max)+1))
}
