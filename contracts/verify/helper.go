package verify

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"msctl.dev/msctl/contracts"
)

//go:embed helper/verifier.go.txt
var helperSource []byte

//go:embed helper/go.mod.txt
var helperMod []byte

//go:embed helper/go.sum.txt
var helperSum []byte

// Builder makes the helper: a test binary, for pact-go's verifier wants to be one, that is linked with the
// library.
type Builder struct {
	Dir     string   // of the cache; each helper is in a folder of its own in it
	Env     []string // of the build: PATH, HOME, and where the library is (LIBRARY_PATH)
	Library string   // version of the library
	Note    func(text string)
}

// buildTime bounds the build: the first on a machine compiles the standard library with cgo.
const buildTime = 10 * time.Minute

// Build returns the helper's path. It is built where there is none of this source, Go and library.
func (b Builder) Build(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	version, err := b.goVersion(ctx)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(b.Dir, b.key(version))
	program := filepath.Join(dir, "verifier")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if b.Note != nil {
		b.Note("building the verifier, once (up to a minute)")
	}
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return "", fmt.Errorf("build verifier: %w", err)
	}
	src, err := os.MkdirTemp(b.Dir, "build-*")
	if err != nil {
		return "", fmt.Errorf("build verifier: %w", err)
	}
	defer os.RemoveAll(src)
	if err := b.compile(ctx, src); err != nil {
		return "", fmt.Errorf("build verifier: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("build verifier: %w", err)
	}
	return program, os.Rename(filepath.Join(src, "verifier"), program) // another run may have done the same
}

// key names a helper by all that goes into it.
func (b Builder) key(goVersion string) string {
	h := sha256.New()
	for _, part := range [][]byte{helperSource, helperMod, helperSum, []byte(goVersion), []byte(b.Library), []byte(runtime.GOOS + runtime.GOARCH)} {
		fmt.Fprintf(h, "%d\n%s\n", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))[:24]
}

func (b Builder) compile(ctx context.Context, src string) error {
	for name, text := range map[string][]byte{"verifier_test.go": helperSource, "go.mod": helperMod, "go.sum": helperSum} {
		if err := os.WriteFile(filepath.Join(src, name), text, 0o600); err != nil {
			return err
		}
	}
	cmd := b.command(ctx, src, "test", "-c", "-tags", "pact", "-o", "verifier", ".")
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, out.last())
	}
	return nil
}

// command runs the go tool outside of any module but the helper's own.
func (b Builder) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(append([]string{}, b.Env...), "CGO_ENABLED=1", "GOWORK=off", "GOFLAGS=-mod=readonly")
	own(cmd)
	return cmd
}

func (b Builder) goVersion(ctx context.Context) (string, error) {
	out, err := b.command(ctx, os.TempDir(), "env", "GOVERSION").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("build verifier: %w: install Go, as its module needs %s", err, goWanted())
	}
	if err != nil {
		return "", fmt.Errorf("build verifier: ask for the version of Go: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goWanted returns the version of Go that the helper needs.
func goWanted() string {
	for line := range strings.Lines(string(helperMod)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "go "); ok {
			return "Go " + v
		}
	}
	return "Go"
}

// plan is what the helper is told, as its source reads it.
type plan struct {
	Provider, Version      string
	URL, StateURL          string
	BrokerURL, BrokerToken string
	MessagePort            int
	MessagePath            string
	Timeout                time.Duration
}

// helper runs the helper over a plan of n interactions and returns the end of what it printed. That
// interactions differ is no error.
func (v Verifier) helper(ctx context.Context, p plan, n int) (string, error) {
	dir, err := contracts.TempDir("msctl-verify") // only this user can enter it
	if err != nil {
		return "", fmt.Errorf("run verifier: %w", err)
	}
	defer os.RemoveAll(dir)
	body, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("run verifier: %w", err)
	}
	file := filepath.Join(dir, "plan.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return "", fmt.Errorf("run verifier: %w", err)
	}
	limit := 30*time.Second + time.Duration(n)*(v.Timeout+actionTime)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out tail
	cmd := exec.CommandContext(bounded, v.Helper, "-test.run", "^TestVerify$", "-test.timeout", (limit + time.Minute).String())
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(append([]string{}, v.Env...), "MSCTL_VERIFY_PLAN="+file)
	own(cmd)
	alive, err := cmd.StdinPipe() // it ends with this process, however that ends
	if err != nil {
		return "", fmt.Errorf("run verifier: %w", err)
	}
	defer alive.Close()
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return out.last(), context.Cause(ctx)
	case bounded.Err() != nil:
		return out.last(), fmt.Errorf("run verifier: it was not done after %v", limit)
	}
	return verdict(out.String(), err)
}

// verdict reads how the helper ended from what it printed: its exit code is that of a test.
func verdict(printed string, err error) (string, error) {
	for line := range strings.Lines(printed) {
		word, ok := strings.CutPrefix(strings.TrimSpace(line), "MSCTL_RESULT ")
		if !ok {
			continue
		}
		if why, failed := strings.CutPrefix(word, "fails "); failed {
			return lastLines(printed), fmt.Errorf("run verifier: %s", why)
		}
		return lastLines(printed), nil
	}
	if err == nil {
		err = errors.New("it said nothing")
	}
	return lastLines(printed), fmt.Errorf("run verifier: %w: %s", err, lastLines(printed))
}

func lastLines(printed string) string {
	var t tail
	t.Write([]byte(printed))
	return t.last()
}
