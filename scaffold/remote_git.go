package scaffold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// gitSettings stand above what any configuration says: nothing that a repository brings is run, written out or asked
// for.
var gitSettings = []string{
	"core.hooksPath=/dev/null", "core.attributesFile=/dev/null", "core.fsmonitor=false", "protocol.version=2",
	"fetch.recurseSubmodules=false", "submodule.recurse=false", "fetch.unpackLimit=1", "fetch.writeCommitGraph=false",
	"transfer.fsckObjects=true", "core.bigFileThreshold=1m", "gc.auto=0", "maintenance.auto=false", "credential.interactive=false",
}

// gitKept are the variables of git that say how a server is reached; others could lead it elsewhere.
var gitKept = []string{
	"GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY",
	"GIT_EXEC_PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
}

// gitEnviron is the environment of git: it asks nobody for anything, and knows no transport but ours. One allocation
// of its may be 256 MiB at most, so that what was packed to grow does not.
func gitEnviron(environ []string) []string {
	out := slices.DeleteFunc(slices.Clone(environ), func(one string) bool {
		name, _, _ := strings.Cut(one, "=")
		return strings.HasPrefix(name, "GIT_") && !slices.Contains(gitKept, name) || name == "SSH_ASKPASS"
	})
	return append(out, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never",
		"GIT_ALLOW_PROTOCOL="+strings.Join(transports, ":"), "GIT_NO_LAZY_FETCH=1", "GIT_NO_REPLACE_OBJECTS=1",
		"GIT_ALLOC_LIMIT=268435456", "GIT_ADVICE=0", "LC_ALL=C")
}

// git is a command on the repository in dir. It has no terminal, and ends with all that it started.
func (r Remote) git(ctx context.Context, dir string, args ...string) *exec.Cmd {
	all := []string{"--git-dir=" + dir}
	for _, one := range gitSettings {
		all = append(all, "-c", one)
	}
	cmd := exec.CommandContext(ctx, "git", append(all, args...)...)
	cmd.Dir, cmd.Env = dir, gitEnviron(r.Environ)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// maxSaid bounds what is kept of the words of git.
const maxSaid = 8 << 10

// run runs git and returns the beginning of what it printed.
func (r Remote) run(ctx context.Context, dir string, args ...string) (string, error) {
	var out, said head
	cmd := r.git(ctx, dir, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", gitFailed(ctx, err, said.String())
	}
	return out.String(), nil
}

// head keeps the first bytes of what is written, and takes all.
type head struct{ bytes.Buffer }

func (h *head) Write(b []byte) (int, error) {
	if room := maxSaid - h.Len(); room > 0 {
		h.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// signs begin lines of git.
var signs = regexp.MustCompile(`^(fatal: |error: |ERROR: |remote: )+`)

// gitFailed is why git ended, in its own words where it has some.
func gitFailed(ctx context.Context, err error, said string) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("git is not installed")
	case strings.Contains(said, "attempting to allocate"): // see GIT_ALLOC_LIMIT
		return errors.New("something in its repository takes over 256 MiB at once")
	}
	var why []string
	for line := range strings.Lines(said) {
		line = signs.ReplaceAllString(strings.TrimSpace(line), "")
		if line != "" && len(why) < 3 && !slices.Contains(why, line) && !strings.HasPrefix(line, "warning: ") {
			why = append(why, strings.TrimRight(line, ".\x00"))
		}
	}
	if len(why) == 0 {
		return fmt.Errorf("git: %w", err)
	}
	return fmt.Errorf("git: %s", strings.Join(why, "; "))
}
