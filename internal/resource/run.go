package resource

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"msctl.dev/msctl/internal/driver"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// native is a unit that runs an installed server in its folder, as its owner.
func (at site) native(argv []string, env ...string) driver.Unit {
	return driver.Unit{Argv: argv, Dir: at.folder(), User: at.choice().User, Env: append(at.env(), env...)}
}

// embedded is a unit that runs one of msctl's own servers.
func (at site) embedded(server string, flags ...string) driver.Unit {
	return driver.Unit{Argv: append([]string{at.Exe, "embedded", server}, flags...), Dir: at.folder(), Env: at.env()}
}

// env is the little that a server inherits.
func (at site) env() []string {
	path := at.choice().Path
	if path == "" {
		path = defaultPath
	}
	return []string{"PATH=" + path, "HOME=" + at.folder(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC"}
}

// command runs a program of the server to its end, as its owner, in dir. Its last lines of output are
// part of the error.
func (at site) command(ctx context.Context, dir string, env []string, argv ...string) error {
	_, err := at.output(ctx, dir, env, argv...)
	return err
}

// output is command that returns what the program printed.
func (at site) output(ctx context.Context, dir string, env []string, argv ...string) (string, error) {
	o, err := at.owner()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.SysProcAttr, cmd.WaitDelay = dir, o.attr(), 2*time.Second
	cmd.Env = append(append(at.env(), "MSCTL_STACK_ID="+at.Stack), env...)
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("%s: %w%s", filepath.Base(argv[0]), err, lastLines(out.String(), 5))
	}
	return out.String(), nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if lines[0] == "" {
		return ""
	}
	return "\n" + strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// quick is how msctl itself dials a server that may be starting. What is sent to a container while the
// engine still builds its network is lost, and the kernel tries again only a second later.
var quick = net.Dialer{Timeout: 200 * time.Millisecond}

// untilDeadline is the time that one try may take, for clients that take a duration.
func untilDeadline(ctx context.Context) time.Duration {
	if t, ok := ctx.Deadline(); ok {
		return max(time.Until(t), time.Millisecond)
	}
	return 2 * time.Second
}

// killGroup kills a command and what it started.
func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

// deadline is when one try ends, for connections that take a time.
func deadline(ctx context.Context) time.Time { return time.Now().Add(untilDeadline(ctx)) }
