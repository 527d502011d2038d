package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"msctl.dev/msctl/internal/driver"
)

// errand is what a supervisor of a test does: a process of its own, so that it can be killed.
type errand struct {
	RunDir, Stack string
	Keeper        []string
	Units         []driver.Unit
	Restart       bool // run each again when it has ended
}

// supervise is the main function of that process. It prints "up PID ADOPTED RESTARTS NAME" for each unit
// that started, and blocks until it is killed or its standard input ends.
func supervise(spec string) int {
	var e errand
	if err := json.Unmarshal([]byte(spec), &e); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	d := &Driver{RunDir: e.RunDir, Stack: e.Stack, Keeper: e.Keeper}
	ctx, cancel := context.WithCancelCause(context.Background())
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, u := range e.Units {
		wg.Go(func() {
			for {
				_, err := d.Run(ctx, u, driver.Hooks{Started: func(s driver.Started) {
					mu.Lock()
					defer mu.Unlock()
					fmt.Println("up", s.PID, s.Adopted, s.Restarts, u.Name)
				}})
				if err != nil && ctx.Err() == nil {
					fmt.Println("failed", err)
				}
				if ctx.Err() != nil || !e.Restart {
					return
				}
				u.Restarts++
			}
		})
	}
	io.Copy(io.Discard, os.Stdin)
	cancel(nil)
	wg.Wait()
	return 0
}

// supervisor is such a process.
type supervisor struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Scanner
}

func (r *rig) supervisor(restart bool, units ...driver.Unit) *supervisor {
	r.tb.Helper()
	spec, err := json.Marshal(errand{RunDir: r.RunDir, Stack: r.Stack, Keeper: r.Keeper, Units: units, Restart: restart})
	if err != nil {
		r.tb.Fatal(err)
	}
	s := &supervisor{t: r.tb, cmd: exec.Command(os.Args[0])}
	s.cmd.Env = append(os.Environ(), "MSCTL_TEST_SUPERVISOR="+string(spec))
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		s.stdin, err = s.cmd.StdinPipe()
	}
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		r.tb.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	r.tb.Cleanup(s.kill)
	return s
}

// up is one "up" line.
type up struct {
	pid, restarts int
	adopted       bool
	name          string
}

// ups waits for n units to be up.
func (s *supervisor) ups(n int) map[string]up {
	s.t.Helper()
	got := map[string]up{}
	for len(got) < n && s.out.Scan() {
		var u up
		if _, err := fmt.Sscanf(s.out.Text(), "up %d %t %d %s", &u.pid, &u.adopted, &u.restarts, &u.name); err != nil {
			s.t.Fatalf("supervisor says %q", s.out.Text())
		}
		got[u.name] = u
	}
	if len(got) < n {
		s.t.Fatalf("%d of %d units are up", len(got), n)
	}
	return got
}

// kill is kill -9.
func (s *supervisor) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// leave lets it end politely.
func (s *supervisor) leave() {
	s.stdin.Close()
	for s.out.Scan() {
		if strings.HasPrefix(s.out.Text(), "failed") {
			s.t.Error(s.out.Text())
		}
	}
	s.cmd.Wait()
}
