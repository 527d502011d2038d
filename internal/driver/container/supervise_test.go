package container

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
)

// supervise is a supervisor in a process of its own, for tests to kill: it runs one unit and prints the
// container's id once it has started.
func supervise(args []string) int {
	f := flag.NewFlagSet("supervise", flag.ContinueOnError)
	host := f.String("host", "", "")
	stack := f.String("stack", "", "")
	prefix := f.String("prefix", "", "")
	logs := f.String("logs", "", "")
	script := f.String("script", "", "")
	volume := f.String("volume", "", "")
	ephemeral := f.Bool("ephemeral", false, "")
	if f.Parse(args) != nil {
		return 2
	}
	d := &Driver{Stack: *stack, Host: *host, ImagePrefix: *prefix, Reaper: []string{os.Args[0], "reap-containers"}}
	u := driver.Unit{Name: "svc", Image: base, Argv: []string{"sh", "-c", *script}, LogDir: *logs,
		Ephemeral: *ephemeral, Grace: time.Second}
	if *volume != "" {
		u.Mounts = []driver.Mount{{Source: *volume, Target: "/data"}}
	}
	e, err := d.Run(context.Background(), u, driver.Hooks{Started: func(s driver.Started) { fmt.Println(s.Container) }})
	fmt.Println(e, err)
	return 0
}

// supervisor starts one for d's stack. The returned id is read once the container runs, "" if it never did.
func supervisor(t *testing.T, d *Driver, args ...string) (cmd *exec.Cmd, id func() string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], append([]string{"supervise", "--stack", d.Stack, "--prefix", d.ImagePrefix}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, func() string {
		line, _ := bufio.NewReader(out).ReadString('\n')
		return strings.TrimSpace(line)
	}
}

const counting = "i=0; while :; do i=$((i+1)); echo $i; [ $((i%50)) -gt 0 ] || sleep 0.01; done"

// TestKilledSupervisor is A3 and D5: killed and started again five times, the supervisor takes over the same
// container and its log has every line once.
func TestKilledSupervisor(t *testing.T) {
	d := newDriver(t)
	u := driver.Unit{Name: "svc", LogDir: t.TempDir()}
	var first string
	for range 5 {
		n := len(lines(t, u))
		cmd, started := supervisor(t, d, "--logs", u.LogDir, "--script", counting)
		id := started()
		if first == "" {
			first = id
		}
		if id == "" || id != first {
			t.Fatalf("container %q, want %q", id, first)
		}
		eventually(t, "new lines", func() bool { return len(lines(t, u)) > n+500 })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	checkCount(t, lines(t, u))
}

// TestEphemeral is A2 for containers: the supervisor is killed, and its container goes without any command.
func TestEphemeral(t *testing.T) {
	d := newDriver(t)
	for _, c := range []struct{ name, script string }{
		{"polite", "while :; do sleep 0.05; done"},
		{"stubborn", "trap '' TERM INT HUP; while :; do sleep 0.05; done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd, started := supervisor(t, d, "--ephemeral", "--script", c.script)
			if started() == "" {
				t.Fatal("not started")
			}
			killed := time.Now()
			_ = cmd.Process.Kill()
			eventually(t, "no container", func() bool { return leftovers(t, d) == 0 })
			t.Logf("gone after %v of 1 s grace and 1 s", time.Since(killed).Round(time.Millisecond))
		})
	}
}

// TestEphemeralEndsItsReaper is the other way round: stopped properly, no reaper is left.
func TestEphemeralEndsItsReaper(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "exit 0")
	u.Ephemeral = true
	r := start(t, d, u)
	r.end(t)
	if d.reap != nil || d.reapN != 0 {
		t.Error("the reaper is kept")
	}
}

// checkCount finds lines missing or double in the output of a program that counts.
func checkCount(t *testing.T, lines []string) {
	t.Helper()
	for i, l := range lines {
		if l != strconv.Itoa(i+1) {
			t.Fatalf("line %d is %q: lost or doubled", i+1, l)
		}
	}
}
