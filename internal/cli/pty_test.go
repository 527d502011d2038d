package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is msctl at a terminal of its own.
type terminal struct {
	t    *testing.T
	dir  string
	bin  string
	env  []string
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // one token when text grew
}

func newTerminal(t *testing.T, stackFile string) *terminal {
	dir, err := os.MkdirTemp("/tmp", "pty")
	if err != nil {
		t.Fatal(err)
	}
	bin, run := filepath.Join(dir, "bin"), filepath.Join(dir, "run")
	for _, d := range []string{bin, run} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"msctl", "fake"} {
		if err := os.Symlink(own, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(stackFile), 0o600); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, dir: dir, bin: bin, more: make(chan struct{}, 1), env: []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "XDG_RUNTIME_DIR=" + run, "TERM=xterm-256color",
		"GORACE=atexit_sleep_ms=0"}}
	if err := takeDownAtLast(dir, run); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		x.command("down", "--force").Run()
		os.RemoveAll(dir)
	})
	return x
}

func (x *terminal) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(x.bin, "msctl"), args...)
	cmd.Dir, cmd.Env = x.dir, x.env
	return cmd
}

// start runs msctl at a terminal of 80 by 24 and gathers what it draws.
func (x *terminal) start(args ...string) (*exec.Cmd, *os.File) {
	x.t.Helper()
	cmd := x.command(args...)
	blocking, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		x.t.Fatal(err)
	}
	tty := pollable(x.t, blocking)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			x.mu.Lock()
			x.text.Write(buf[:n])
			x.mu.Unlock()
			select {
			case x.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	x.t.Cleanup(func() { tty.Close() })
	return cmd, tty
}

// pollable is the same end of the terminal, with a Close that does not wait for a Read.
func pollable(t *testing.T, f *os.File) *os.File {
	t.Helper()
	defer f.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "terminal")
}

func (x *terminal) seen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// await waits until text was drawn.
func (x *terminal) await(text string) {
	x.t.Helper()
	for deadline := time.After(20 * time.Second); !strings.Contains(x.seen(), text); {
		select {
		case <-x.more:
		case <-deadline:
			x.t.Fatalf("%q never came; the screen:\n%q", text, x.seen())
		}
	}
}

// ends waits for the process and returns its code.
func (x *terminal) ends(cmd *exec.Cmd) int {
	x.t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			x.t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		x.t.Fatalf("it does not end; the screen:\n%q", x.seen())
		return 0
	}
}

const oneService = `version: 1
name: one
services:
  web:
    command: [fake, serve, web.pid]
    listen: {http: auto}
    tasks: {ask: "read answer; echo got $answer"}
`

// TestTerminalUp is the foreground at a terminal, in lines: colours, a banner of at most 80 columns, and Ctrl-C.
func TestTerminalUp(t *testing.T) {
	x := newTerminal(t, oneService)
	cmd, tty := x.start("up", "--plain")
	x.await("Ctrl-C takes it down")
	x.await("listening as web")
	if !strings.Contains(x.seen(), "\x1b[32mready\x1b[0m") || !strings.Contains(x.seen(), "\x1b[36mweb │ \x1b[0m") {
		t.Errorf("no colours on a terminal:\n%q", x.seen())
	}
	for line := range strings.Lines(strings.ReplaceAll(x.seen(), "\r\x1b[K", "\n")) {
		if n := len([]rune(stripColours(line))); n > 82 { // with its line end
			t.Errorf("a line of %d columns: %q", n, line)
		}
	}
	tty.Write([]byte{3}) // Ctrl-C
	x.await("down: nothing is left running")
	if got := x.ends(cmd); got != exitInterrupt {
		t.Errorf("got code %d, want %d", got, exitInterrupt)
	}
}

// TestTerminalCloses is promise A9 without a dashboard: a closed terminal takes everything down.
func TestTerminalCloses(t *testing.T) {
	x := newTerminal(t, oneService)
	cmd, tty := x.start("up", "--plain")
	x.await("listening as web")
	pid, err := os.ReadFile(filepath.Join(x.dir, "web.pid"))
	if err != nil {
		t.Fatal(err)
	}
	tty.Close()
	if got := x.ends(cmd); got != exitHangup {
		t.Errorf("got code %d, want %d", got, exitHangup)
	}
	if _, err := os.Stat("/proc/" + string(pid)); err == nil {
		t.Errorf("process %s is left", pid)
	}
}

// TestNoColour is what NO_COLOR and a dumb terminal ask for.
func TestNoColour(t *testing.T) {
	for _, setting := range []string{"NO_COLOR=1", "TERM=dumb"} {
		x := newTerminal(t, oneService)
		x.env = append(x.env, setting)
		cmd, _ := x.start("doctor")
		x.await("left over")
		x.ends(cmd)
		if strings.Contains(x.seen(), "\x1b[3") {
			t.Errorf("%s: colours all the same:\n%q", setting, x.seen())
		}
	}
}

// TestTerminalRun gives the terminal, its keys and Ctrl-C to the command that is run.
func TestTerminalRun(t *testing.T) {
	x := newTerminal(t, oneService)
	if out, err := x.command("up", "-d").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd, tty := x.start("run", "web", "ask")
	tty.WriteString("yes\r")
	x.await("got yes")
	if got := x.ends(cmd); got != 0 {
		t.Errorf("got code %d", got)
	}
	cmd, tty = x.start("run", "web", "--", "sh", "-c", "trap 'echo caught; exit 9' INT; echo waiting; read line")
	x.await("waiting\r")
	tty.Write([]byte{3})
	x.await("caught\r")
	if got := x.ends(cmd); got != 9 {
		t.Errorf("got code %d, want the command's own 9", got)
	}
	if err := x.command("ps").Run(); err != nil {
		t.Errorf("Ctrl-C in a run reached the fleet: %v", err)
	}
}

func stripColours(text string) string {
	for {
		i := strings.Index(text, "\x1b[")
		if i < 0 {
			return text
		}
		end := strings.IndexFunc(text[i+2:], func(r rune) bool { return r >= '@' })
		if end < 0 {
			return text[:i]
		}
		text = text[:i] + text[i+2+end+1:]
	}
}
