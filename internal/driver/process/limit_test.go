package process

import (
	"os"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
	"msctl.dev/msctl/internal/output"
)

// TestMemoryLimit ends a service that takes more than its limit, says why, and leaves no control group.
// For root the kernel does it, for others the keeper.
func TestMemoryLimit(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "eat", "400")
	u.Memory = 64 << 20
	l := r.run(u)
	l.up()
	if e := l.wait(); !e.OOM || e.Signal != "KILL" || l.err != nil {
		t.Errorf("exit %+v, %v", e, l.err)
	}
	lines, _ := output.Tail(u.LogDir, 1)
	if len(lines) != 1 || lines[0].Stream != output.Note || !strings.Contains(string(lines[0].Text), "memory limit") {
		t.Errorf("last line %v", lines)
	}
	r.none()
}

// TestCPULimit holds a busy service to a fifth of a core.
func TestCPULimit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may make control groups")
	}
	r := newRig(t)
	u := r.unit("a", "burn")
	u.CPU = 0.2
	l := r.run(u)
	s := l.up()
	begun := time.Now()
	used := within(t, "CPU time", func() (time.Duration, bool) {
		p, err := keeper.Inspect(s.PID)
		return p.CPU, err == nil && p.CPU > 200*time.Millisecond
	})
	if took := time.Since(begun); used > took/2 {
		t.Errorf("used %v of CPU in %v", used, took)
	}
	l.stop(driver.ErrKill)
	l.wait()
}
