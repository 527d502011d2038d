package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"msctl.dev/msctl/contracts"
)

// command makes a command that ends with everything it started when ctx ends.
func command(ctx context.Context, dir string, argv, env []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// outcome is what one test process came to.
type outcome struct {
	pacts  []contracts.Pact
	output string
	err    error
}

// runProcess runs one test process with a new folder for its pacts.
func (r Runner) runProcess(ctx context.Context, parts, dir string, argv []string, name string) outcome {
	own, err := os.MkdirTemp(parts, "")
	if err != nil {
		return outcome{err: fmt.Errorf("make a folder for pacts: %w", err)}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("%s took longer than %v", name, r.Timeout))
	defer cancel()
	var said tail
	cmd := command(ctx, dir, argv, append(slices.Clone(r.Env), DirVariable+"="+own, "PWD="+dir))
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	out := outcome{output: quiet(said.String())}
	var exit *exec.ExitError
	switch {
	case context.Cause(ctx) != nil:
		out.err = context.Cause(ctx)
	case errors.As(err, &exit) && exit.ExitCode() == exitNotRun:
		out.err = ErrNotRun
	case errors.As(err, &exit):
		out.err = ErrFailed
	case err != nil:
		out.err = fmt.Errorf("run %s: %w", argv[0], err)
	default:
		out.pacts, out.err = readFolder(own, name)
	}
	return out
}

// noise is what pact-go prints for every interaction and that means nothing.
const noise = "failed to log to stdout: can't set logger"

// quiet takes the noise out of what a test printed.
func quiet(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, noise) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool
}

const tailBytes = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf, t.cut = append(t.buf[:0], t.buf[over:]...), true
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return "…" + string(t.buf)
	}
	return string(t.buf)
}
