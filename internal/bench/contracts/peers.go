package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/contracts/library"
)

// npmRelease is the release of npm's @pact-foundation/pact-cli, whose program is `pact`.
const npmRelease = "18.1.2"

// peers gets the others, and says which cannot be had. The library is msctl's own need too.
func (b *bench) peers(ctx context.Context) error {
	found, err := library.Find(library.Here(os.Getenv))
	if err != nil {
		return fmt.Errorf("%w: msctl contract install fetches it", err)
	}
	b.library = append(os.Environ(), found.Env(os.Getenv)...)
	fmt.Fprintln(os.Stderr, "build the verifier of pact-go …")
	plain := filepath.Join(b.dir, "plain.test")
	if err := b.command(ctx, "go", "test", "-c", "-tags", "pact", "-o", plain, "./internal/bench/contracts"); err != nil {
		fmt.Fprintln(os.Stderr, "contracts: without pact-go:", err)
	} else {
		b.plain = plain
	}
	if b.npm == "" {
		if b.npm, err = fetch(ctx, filepath.Join(b.dir, "npm")); err != nil {
			fmt.Fprintln(os.Stderr, "contracts: without npm's pact:", err)
		}
	}
	return nil
}

// command runs a program in the repository to its end.
func (b *bench) command(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = b.repo, b.library
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv[:2], " "), err, lastBytes(out))
	}
	return nil
}

// fetch gets npm's pact into a folder and returns the program.
func fetch(ctx context.Context, dir string) (string, error) {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if arch == "" {
		return "", fmt.Errorf("it is not made for %s", runtime.GOARCH)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return "", fmt.Errorf("npm is not on PATH")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	name := fmt.Sprintf("@pact-foundation/pact-cli-%s-%s@%s", runtime.GOOS, arch, npmRelease)
	for _, argv := range [][]string{{"npm", "pack", "--silent", name}, {"sh", "-c", "tar -xzf *.tgz && rm *.tgz"}} {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("fetch %s: %w: %s", name, err, lastBytes(out))
		}
	}
	return filepath.Join(dir, "package", "standalone", "pact"), nil
}

// asked is what the plain verifier is told of one provider.
type asked struct {
	Provider, URL string
	Pacts         []string
}

// runPlain verifies providers with pact-go alone.
func (b *bench) runPlain(ctx context.Context, at []string) (cost, error) {
	var all []asked
	for n := range providers {
		all = append(all, asked{providerName(n), "http://" + at[n], pactsOf(b.dir, n)})
	}
	body, err := json.Marshal(all)
	if err != nil {
		return cost{}, err
	}
	file := filepath.Join(b.dir, "plain.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return cost{}, err
	}
	cmd := exec.CommandContext(ctx, b.plain, "-test.run", "^TestPlain$")
	cmd.Dir, cmd.Env = b.dir, append(b.library, "BENCH_PLAIN="+file)
	return timed(cmd, fmt.Sprintf("PLAIN holds %d", providers))
}

// runNPM verifies providers with npm's pact, which takes one at a time.
func (b *bench) runNPM(ctx context.Context, at []string) (cost, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	each := make([]cost, providers)
	begun := time.Now()
	for n := range providers {
		g.Go(func() error {
			host, port, err := net.SplitHostPort(at[n])
			if err != nil {
				return err
			}
			argv := []string{"verifier", "--no-colour", "--hostname", host, "--port", port, "--provider-name", providerName(n),
				"--state-change-url", "http://" + at[n] + "/state"}
			for _, file := range pactsOf(b.dir, n) {
				argv = append(argv, "--file", file)
			}
			cmd := exec.CommandContext(ctx, b.npm, argv...)
			cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "PACT_DO_NOT_TRACK=true")
			each[n], err = timed(cmd, "")
			return err
		})
	}
	err := g.Wait()
	sum := cost{wall: time.Since(begun)}
	for _, c := range each {
		sum.cpu += c.cpu
	}
	return sum, err
}

// cost is what a command took.
type cost struct{ wall, cpu time.Duration }

// timed runs a command, which must print what is wanted, to its end. Its processor time is with that of the
// processes that it waited for.
func timed(cmd *exec.Cmd, want string) (cost, error) {
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	c := cost{wall: time.Since(begun)}
	if err != nil {
		return c, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, lastBytes(out))
	}
	if !bytes.Contains(out, []byte(want)) {
		return c, fmt.Errorf("%s does not say %q: %s", filepath.Base(cmd.Path), want, lastBytes(out))
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return c, nil
}

func lastBytes(b []byte) []byte { return bytes.TrimSpace(b[max(0, len(b)-600):]) }
