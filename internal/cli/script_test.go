package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"msctl.dev/msctl/internal/lastly"
	"msctl.dev/msctl/internal/mishap"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

// TestMain makes this test's binary msctl itself, and a service that scripts can run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"msctl":  func() { os.Exit(Run()) },
		"fake":   func() { os.Exit(fakeService(os.Args[1:])) },
		"mishap": func() { os.Exit(mishap.Exec(os.Args[1:])) },
		"leave":  func() { os.Exit(leave(os.Args[1:])) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setup,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"eventually": eventually,
			"alive":      alive,
		},
	})
}

// setup gives each script a runtime folder of its own, and takes down what it leaves up.
func setup(e *testscript.Env) error {
	run := filepath.Join(e.WorkDir, ".run")
	if err := os.Mkdir(run, 0o700); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"XDG_RUNTIME_DIR": run, "NO_COLOR": "", "HOME": e.WorkDir, "GOCACHE": buildCache(), "GOMODCACHE": goFolder("GOMODCACHE"),
		"GORACE": "atexit_sleep_ms=0", // else every msctl of a -race run ends a second later
	} {
		e.Setenv(name, value)
	}
	if err := keeperBeside(binDir(e)); err != nil {
		return err
	}
	if err := takeDownAtLast(e.WorkDir, run); err != nil {
		return err
	}
	e.Defer(func() {
		stacks, _ := filepath.Glob(filepath.Join(e.WorkDir, "*", "stack.yaml"))
		stacks = append(stacks, filepath.Join(e.WorkDir, "stack.yaml"))
		for _, s := range stacks {
			down := exec.Command("msctl", "down", "--force")
			down.Path = filepath.Join(binDir(e), "msctl")
			down.Dir, down.Env = filepath.Dir(s), e.Vars
			down.Run()
		}
	})
	return nil
}

// takeDownAtLast has the stacks below a folder end with this process, even if it is killed.
func takeDownAtLast(dir, runtime string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	return lastly.Down(lastly.Stacks{Program: own, Below: dir, Runtime: runtime})
}

// keeperBeside puts the small keeper beside msctl, as an installation does.
func keeperBeside(bin string) error {
	path := filepath.Join(bin, "msctl-keeper")
	keeping.Lock()
	defer keeping.Unlock()
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	build := exec.Command("go", "build", "-o", path, "msctl.dev/msctl/cmd/msctl-keeper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build keeper: %w: %s", err, out)
	}
	return nil
}

var keeping sync.Mutex // guards the building of the keeper

// buildCache is this user's own.
func buildCache() string { return goFolder("GOCACHE") }

// goFolder is one of this user's own, so that scripts neither build the standard library anew nor load
// modules.
func goFolder(variable string) string {
	out, err := exec.Command("go", "env", variable).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// binDir is where testscript put the commands.
func binDir(e *testscript.Env) string {
	for _, dir := range filepath.SplitList(e.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "fake")); err == nil {
			return dir
		}
	}
	return ""
}

// eventually runs a command until it succeeds, for what has no event to wait for.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if err := ts.Exec(args[0], args[1:]...); (err == nil) != neg {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("%v: not within 20 s", args)
		}
	}
}

// alive checks that a process, whose id is in a file, runs.
func alive(ts *testscript.TestScript, neg bool, args []string) {
	pid := firstLine(ts.ReadFile(args[0]))
	_, err := os.Stat("/proc/" + pid)
	if (err == nil) == neg {
		ts.Fatalf("process %s: alive is %t", pid, err == nil)
	}
}
