package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/contracts/verify"
	"msctl.dev/msctl/internal/need"
)

// TestContractFleet verifies every provider of the reference fleet in the checkout itself, where programs are
// built already: in a copy of the stack that a fleet which runs here does not share. Then a field of users is
// renamed, in a copy of one file that the compiler is given in its place, and everyone who reads it is named.
func TestContractFleet(t *testing.T) {
	env := need.Pact(t)
	need.Tool(t, "npm")
	need.Tool(t, "python3")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("holds", func(t *testing.T) {
		code, results := verified(t, root, env, "contract", "verify", "--fresh", "--json")
		unfetched(t, results)
		edges := map[string]bool{}
		for _, r := range results {
			edges[r.Edge()] = true
			if r.Outcome != verify.Holds {
				t.Errorf("%s, %s: %s: %s %v", r.Edge(), r.Interaction, r.Outcome, r.Reason, r.Mismatches)
			}
		}
		if pacts, _ := filepath.Glob(filepath.Join(root, "contracts/pacts/*.json")); code != 0 || len(edges) != len(pacts) || len(pacts) == 0 {
			t.Errorf("code %d, %d edges were verified of %d pacts", code, len(edges), len(pacts))
		}
	})
	t.Run("breaks", func(t *testing.T) {
		dir, flag := renamed(t, root, "services/users/user.go", `json:"name"`, `json:"full_name"`)
		code, results := verified(t, dir, append(env, "GOFLAGS="+flag), "contract", "verify", "users", "--json")
		if code != verify.ExitBroken {
			t.Errorf("code is %d, want %d", code, verify.ExitBroken)
		}
		for _, want := range []string{"bff:users read the customer of a page", "gateway:users read a user", "gateway:users list users"} {
			if got := found(results, want); got.Outcome != verify.Broken || !strings.Contains(fmt.Sprint(got.Mismatches), "missing the following keys: name") {
				t.Errorf("%s: got %s %s %v, want that name is missing", want, got.Outcome, got.Reason, got.Mismatches)
			}
		}
		if got := found(results, "notifications:users user.updated"); got.Outcome == verify.Holds || !strings.Contains(fmt.Sprint(got.Hint, got.Mismatches), "name") &&
			!strings.Contains(got.Hint, "breaks its contracts too") {
			t.Errorf("the event: got %+v, want that it does not hold, and why", got)
		}
		if got := found(results, "orders:users shop.users.v1.UsersService/BatchGet"); got.Outcome != verify.Holds {
			t.Errorf("gRPC, whose field was not renamed: got %+v", got)
		}
	})
}

// verified runs msctl and returns its code and what it says of each interaction.
func verified(t *testing.T, dir string, env []string, args ...string) (int, []verify.Result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // from a cold cache, beside all other tests
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, "msctl", args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), append(env, "PWD="+dir, "MSCTL_INSTANCE=")...), &out, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	var results []verify.Result
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		var one struct {
			Type string
			verify.Result
		}
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if one.Type == "interaction" {
			results = append(results, one.Result)
		}
	}
	if len(results) == 0 {
		t.Fatalf("code %d: %s", cmd.ProcessState.ExitCode(), said.String())
	}
	return cmd.ProcessState.ExitCode(), results
}

// unfetched skips t where a service cannot run for want of packages that are not here.
func unfetched(t *testing.T, results []verify.Result) {
	t.Helper()
	fetching := regexp.MustCompile(`does not start: .*\b(npm|pip)\b`)
	for _, r := range results {
		if r.Outcome == verify.Failed && fetching.MatchString(r.Reason) {
			need.Missing(t, "pact", r.Reason)
		}
	}
}

// renamed makes a folder with the stack of root, whose services are built from root's source but for one text in
// one file, and returns it with the flag for that.
func renamed(t *testing.T, root, file, from, to string) (dir, flag string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(root, file)
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read := func(path, from, to string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(data, []byte(from)) {
			t.Fatalf("there is no %s in %s", from, path)
		}
		return bytes.ReplaceAll(data, []byte(from), []byte(to))
	}
	write("stack.yaml", read(filepath.Join(root, "stack.yaml"), "services/", filepath.Join(root, "services")+"/"))
	if err := os.Symlink(filepath.Join(root, "contracts"), filepath.Join(dir, "contracts")); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: write("renamed.go", read(file, from, to))}})
	if err != nil {
		t.Fatal(err)
	}
	return dir, "-overlay=" + write("overlay.json", overlay)
}

// found returns the result of an edge whose interaction begins so, or none.
func found(results []verify.Result, want string) verify.Result {
	for _, r := range results {
		if strings.HasPrefix(r.Edge()+" "+r.Interaction, want) {
			return r
		}
	}
	return verify.Result{}
}
