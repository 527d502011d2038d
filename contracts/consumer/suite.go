// Package consumer runs the consumer tests of services and gathers the pacts that they write: each test
// process in a folder of its own, put together with a check for contradictions.
package consumer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// Suite is the consumer tests of one service.
type Suite struct {
	Service string
	Dir     string     // absolute; where the command runs
	Argv    []string   // the command; empty: the tests are in Go
	Go      []goFolder // packages with tests under the build tag pact
	Pact    bool       // they need libpact_ffi of this machine
}

// Script is the script of a package.json that runs consumer tests.
const Script = "test:contract"

// pythonFile is what a Python service calls the file of its consumer tests.
const pythonFile = "test_contract.py"

// pythonRunner runs them in an environment that it makes, where a service has it.
const pythonRunner = "contract/run.py"

// Find returns the suites of those services that have consumer tests, in the order of the stack.
func Find(st *stack.Stack) ([]Suite, error) {
	var out []Suite
	for _, svc := range st.Services {
		s, err := find(svc)
		if err != nil {
			return nil, fmt.Errorf("look for the consumer tests of %s: %w", svc.Name, err)
		}
		if len(s.Argv) > 0 || len(s.Go) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

func find(svc *stack.Service) (Suite, error) {
	s := Suite{Service: svc.Name, Dir: cmp.Or(svc.Source, svc.Dir)}
	switch {
	case svc.Contract != nil && len(svc.Contract.Test) > 0:
		s.Dir, s.Argv = svc.Dir, svc.Contract.Test
	case svc.Source == "":
	case svc.Language == stack.Go:
		folders, err := goFolders(svc.Source)
		s.Go = folders
		s.Pact = slices.ContainsFunc(folders, func(f goFolder) bool { return f.library })
		return s, err
	case svc.Language == stack.Node:
		has, err := hasScript(filepath.Join(svc.Source, "package.json"))
		if has {
			s.Argv = []string{"npm", "run", "--silent", Script}
		}
		return s, err
	case svc.Language == stack.Python:
		if exists(filepath.Join(svc.Source, pythonFile)) {
			s.Argv = []string{"python3", "-m", "unittest", strings.TrimSuffix(pythonFile, ".py")}
		}
		if exists(filepath.Join(svc.Source, pythonRunner)) {
			s.Argv = []string{"python3", pythonRunner}
		}
	}
	return s, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func hasScript(file string) (bool, error) {
	body, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var manifest struct{ Scripts map[string]string }
	if err := json.Unmarshal(body, &manifest); err != nil {
		return false, fmt.Errorf("read %s: %w", file, err)
	}
	return manifest.Scripts[Script] != "", nil
}
