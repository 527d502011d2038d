package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
)

// tmux is msctl on the screen of a real terminal emulator.
type tmux struct {
	*terminal
	socket string
}

func newTmux(t *testing.T, stackFile string, w, h int, args ...string) *tmux {
	t.Helper()
	need.Native(t, "tmux")
	x := &tmux{terminal: newTerminal(t, stackFile)}
	x.socket = filepath.Join(x.dir, "tmux")
	line := filepath.Join(x.bin, "msctl") + " " + strings.Join(args, " ") + `; echo "code $?."; exec cat`
	x.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(w), "-y", fmt.Sprint(h), "sh", "-c", line)
	t.Cleanup(func() { x.tmuxCommand("kill-server").Run() })
	return x
}

func (x *tmux) tmuxCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-u", "-S", x.socket}, args...)...)
	cmd.Dir = x.dir
	for _, e := range x.env {
		if !strings.HasPrefix(e, "TERM=") { // tmux says what its terminal is
			cmd.Env = append(cmd.Env, e)
		}
	}
	return cmd
}

func (x *tmux) tmux(args ...string) string {
	x.t.Helper()
	out, err := x.tmuxCommand(args...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// press sends keys, named as tmux does.
func (x *tmux) press(keys ...string) {
	x.t.Helper()
	x.tmux(append([]string{"send-keys"}, keys...)...)
}

// shows waits until the screen holds every text, and returns it.
func (x *tmux) shows(texts ...string) string {
	x.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		screen := x.tmux("capture-pane", "-p")
		missing := ""
		for _, want := range texts {
			if !strings.Contains(screen, want) {
				missing = want
			}
		}
		if missing == "" {
			return screen
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("%q is not on the screen:\n%s", missing, screen)
		}
	}
}

const twoServices = `version: 1
name: two
services:
  web:
    command: [fake, serve, web.pid]
    listen: {http: auto}
  loud:
    command: [fake, hostile]
    job: true
`

// TestScreenUp is `up` at a terminal as a user has it: every view, a restart, what services print, the
// question at the end, and the fleet that goes with it.
func TestScreenUp(t *testing.T) {
	x := newTmux(t, twoServices, 80, 24, "up")
	x.shows("two · ● 2 of 2 ready", "web", "1 services", "? help")
	x.press("2")
	x.shows("listening as web", `\x1b]0;owned\x07title`, `\x1b[2Jwiped`) // D2
	x.press("3")
	x.shows("no request yet")
	x.press("5")
	x.shows("web ready")
	x.press("?")
	x.shows("half a screen down")
	x.press("Escape")
	x.shows("web ready") // Escape with a key right behind it is Alt
	x.press("1")
	x.press("r")
	x.shows("restarted web")
	x.press(":")
	x.press("stop web", "Enter")
	x.shows("stopped web", "○ stopped")
	x.tmux("resize-window", "-x", "20", "-y", "5")
	x.shows("web")
	x.tmux("resize-window", "-x", "200", "-y", "50")
	x.shows("last lines", "│")
	x.press("s")
	x.shows("started web")
	x.press("q")
	x.shows("[d] stays", "[s] stops")
	x.press("s")
	x.shows("down: nothing is left running", "code 0.")
	x.gone("web.pid")
}

// gone checks that the process whose id is in a file has ended.
func (x *tmux) gone(file string) {
	x.t.Helper()
	pid, err := os.ReadFile(filepath.Join(x.dir, file))
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + string(pid)); err == nil {
		x.t.Errorf("process %s is left", pid)
	}
}

// TestScreenJoin is a second `up` at a terminal: it says what the first left out, and leaves the fleet alone.
func TestScreenJoin(t *testing.T) {
	two := oneService + "  push:\n    command: [fake, serve]\n    listen: {http: auto}\nprofiles:\n  small: [web]\n"
	x := newTmux(t, two, 80, 24, "up", "-d", "--profile", "small", "&&", "msctl", "up")
	x.shows("1 of 1 ready", "it runs web, without push: `msctl start push` adds what is missing")
	x.press("q")
	x.shows("stays as it is", "code 0.")
	if out, err := x.command("down").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestScreenDetach leaves the fleet running, looks at it with dash, and ends it elsewhere.
func TestScreenDetach(t *testing.T) {
	x := newTmux(t, oneService, 100, 30, "up", ";", "msctl", "dash")
	x.shows("1 of 1 ready")
	x.press("q")
	x.press("d")
	x.shows("1 of 1 ready") // of the dash that follows
	if out, err := x.command("ps").CombinedOutput(); err != nil || !strings.Contains(string(out), "ready") {
		t.Errorf("the fleet did not stay: %v\n%s", err, out)
	}
	if out, err := x.command("down").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	x.shows("the fleet went down")
	x.press("q")
	x.shows("code 0.")
}

// TestScreenEnds is promise A8 and A9 with the dashboard on: whatever ends it, nothing is left.
func TestScreenEnds(t *testing.T) {
	for _, how := range []string{"Ctrl-C", "TERM", "HUP", "KILL", "terminal"} {
		t.Run(how, func(t *testing.T) {
			x := newTmux(t, oneService, 80, 24, "up")
			x.shows("1 of 1 ready")
			front := x.front()
			switch how {
			case "Ctrl-C":
				x.press("C-c")
				x.shows("down: nothing is left running", fmt.Sprintf("code %d.", exitInterrupt))
			case "TERM", "HUP":
				exec.Command("kill", "-"+how, front).Run()
				x.shows("down: nothing is left running", fmt.Sprintf("code %d.", map[string]int{"TERM": exitTerminated, "HUP": exitHangup}[how]))
			case "KILL":
				exec.Command("kill", "-KILL", front).Run()
			case "terminal":
				x.tmux("kill-server")
			}
			x.ended("web.pid")
		})
	}
}

// front is the process id of the msctl that draws.
func (x *tmux) front() string {
	x.t.Helper()
	shell := strings.TrimSpace(x.tmux("list-panes", "-F", "#{pane_pid}"))
	out, err := os.ReadFile("/proc/" + shell + "/task/" + shell + "/children")
	if err != nil {
		x.t.Fatal(err)
	}
	return strings.Fields(string(out))[0]
}

// ended waits until the process whose id is in a file has ended.
func (x *tmux) ended(file string) {
	x.t.Helper()
	pid, err := os.ReadFile(filepath.Join(x.dir, file))
	if err != nil {
		x.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + string(pid)); err != nil {
			return
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("process %s is left", pid)
		}
	}
}

// TestNoScreen prints lines where nobody could use a dashboard.
func TestNoScreen(t *testing.T) {
	for _, setting := range []string{"TERM=dumb", "CI=true"} {
		x := newTerminal(t, oneService)
		x.env = append(x.env, setting)
		cmd, tty := x.start("up")
		x.await("Ctrl-C takes it down")
		tty.Write([]byte{3})
		x.await("down: nothing is left running")
		x.ends(cmd)
		cmd, _ = x.start("dash")
		x.await("dash needs a terminal")
		x.ends(cmd)
	}
}
