package container

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// reapTimeout is how long the reaper may live on after its supervisor.
const reapTimeout = 5 * time.Minute

// reaper is the child process that ends ephemeral containers when this process is no more. It reads their
// ids from a pipe, "+id" and "-id" lines, and knows by the pipe's end that nobody holds it any longer.
type reaper struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// runID names this supervisor for as long as it lives.
func (d *Driver) runID() string {
	d.naming.Do(func() { d.run = strings.ToLower(rand.Text()) })
	return d.run
}

// holdReaper starts the reaper for the first ephemeral unit.
func (d *Driver) holdReaper(l *link) error {
	d.reaping.Lock()
	defer d.reaping.Unlock()
	if d.reap == nil {
		r, err := startReaper(d.Reaper, l.host, d.Stack, d.runID())
		if err != nil {
			return err
		}
		d.reap = r
	}
	d.reapN++
	return nil
}

// releaseReaper ends it with the last one.
func (d *Driver) releaseReaper() {
	d.reaping.Lock()
	d.reapN--
	var last *reaper
	if d.reapN == 0 {
		last, d.reap = d.reap, nil
	}
	d.reaping.Unlock()
	if last != nil {
		last.pipe.Close()
		_ = last.cmd.Wait()
	}
}

// tellReaper writes one line; a reaper that was killed is not replaced.
func (d *Driver) tellReaper(line string) {
	d.reaping.Lock()
	defer d.reaping.Unlock()
	if d.reap != nil {
		_, _ = io.WriteString(d.reap.pipe, line+"\n") // at most 70 bytes: never more than the pipe takes
	}
}

// startReaper runs it in a session of its own, so that what is typed on the terminal does not reach it, and
// without the marker by which the stack's processes are found.
func startReaper(argv []string, host, stack, run string) (*reaper, error) {
	if len(argv) == 0 {
		return nil, errors.New("start reaper: an ephemeral container needs one")
	}
	cmd := exec.Command(argv[0], append(argv[1:len(argv):len(argv)], "--host", host, "--stack", stack, "--run", run)...)
	cmd.Env = engineEnv(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	return &reaper{cmd: cmd, pipe: pipe}, nil
}

// engineEnv keeps what the engine's client reads.
func engineEnv(env []string) []string {
	var kept []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "DOCKER_") || name == "PATH" || name == "HOME" || name == "XDG_RUNTIME_DIR" {
			kept = append(kept, kv)
		}
	}
	return kept
}

// ReapMain is the reaper's program: it waits until its standard input ends and then ends the containers
// that were named on it, and those that carry the run's label, each by its own signal and grace. It returns
// the exit code.
func ReapMain(args []string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	flags := flag.NewFlagSet("reap-containers", flag.ContinueOnError)
	host := flags.String("host", "", "engine")
	stack := flags.String("stack", "", "id of the stack")
	run := flags.String("run", "", "id of the supervisor")
	if err := flags.Parse(args); err != nil || *stack == "" || *run == "" {
		return 2
	}
	ids := named(os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), reapTimeout)
	defer cancel()
	if err := reapSurely(ctx, *host, *stack, *run, ids); err != nil {
		fmt.Fprintln(os.Stderr, "msctl:", err)
		return 1
	}
	return 0
}

// named reads "+id" and "-id" lines to the end and returns the ids that are left.
func named(r io.Reader) map[string]bool {
	ids := map[string]bool{}
	in := bufio.NewScanner(r)
	for in.Scan() {
		switch line := in.Text(); {
		case strings.HasPrefix(line, "+"):
			ids[line[1:]] = true
		case strings.HasPrefix(line, "-"):
			delete(ids, line[1:])
		}
	}
	return ids
}

// reapSurely tries again while the engine is away: it may be restarting.
func reapSurely(ctx context.Context, host, stack, run string, ids map[string]bool) error {
	for {
		err := reap(ctx, host, stack, run, ids)
		if err == nil || pause(ctx, 500*time.Millisecond) != nil {
			return err
		}
	}
}

// reap ends what is still there: containers made by this run, and those that it adopted.
func reap(ctx context.Context, host, stack, run string, ids map[string]bool) error {
	cli, _, err := dial(ctx, host)
	if err != nil {
		return err
	}
	defer cli.Close()
	found, err := list(ctx, cli, stack)
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, c := range found {
		if !ids[c.ID] && c.Labels[labelRun] != run {
			continue
		}
		g.Go(func() error {
			return errors.Join(end(ctx, cli, c.ID, c.Labels), remove(ctx, cli, c.ID))
		})
	}
	return g.Wait()
}
