package container

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
)

// TestEngineRestart is G1: while the engine is away (cut off by a proxy) running units stay as they are, a
// start waits for it, and when it is back everything goes on within 10 s, with every line once.
func TestEngineRestart(t *testing.T) {
	d := newDriver(t)
	c := newCutter(t, nil)
	d.Host = c.host()
	u := shell(t, "svc", counting)
	dies := shell(t, "dies", "read line < /gate; exit 4")
	dies.Argv[2] = "while [ ! -e /tmp/go ]; do sleep 0.05; done; echo last words; exit 4"
	a, b := start(t, d, u), start(t, d, dies)
	id := a.up(t).Container
	b.up(t)
	eventually(t, "lines", func() bool { return len(lines(t, u)) > 200 })
	if code, err := d.Exec(t.Context(), "dies", []string{"sh", "-c", "(sleep 0.5; touch /tmp/go) >/dev/null 2>&1 &"}, driver.Stdio{}); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	c.cut()
	late := start(t, d, shell(t, "late", "sleep 1000"))
	n := len(lines(t, u))
	state := func(id string) string {
		out, _ := exec.Command("docker", "inspect", "-f", "{{.State.Status}}", id).Output()
		return string(out)
	}
	eventually(t, "the other one to end meanwhile", func() bool {
		return state(containerName(d.Stack, "dies")) == "exited\n"
	})
	select {
	case <-a.done:
		t.Fatalf("given up: %+v %v", a.exit, a.err)
	case <-b.done:
		t.Fatalf("given up: %+v %v", b.exit, b.err)
	case <-late.done:
		t.Fatalf("given up: %+v %v", late.exit, late.err)
	default:
	}
	c.mend(t)
	back := time.Now()
	if e := b.end(t); e.Code != 4 {
		t.Errorf("exit %+v", e)
	}
	late.up(t)
	eventually(t, "more lines", func() bool { return len(lines(t, u)) > n+200 })
	t.Logf("all went on after %v", time.Since(back).Round(time.Millisecond))
	if took := time.Since(back); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if got := lines(t, dies); len(got) != 1 || got[0] != "last words" {
		t.Errorf("lines %q", got)
	}
	a.cancel(driver.ErrDetach)
	a.end(t)
	if state(id) != "running\n" {
		t.Error("it was restarted")
	}
	checkCount(t, lines(t, u))
}

// TestStopWithoutEngine gives up in bounded time and says why; the next sweep finds the container.
func TestStopWithoutEngine(t *testing.T) {
	d := newDriver(t)
	c := newCutter(t, nil)
	d.Host, d.Patience = c.host(), 100*time.Millisecond
	u := shell(t, "svc", "sleep 1000")
	u.Grace = 100 * time.Millisecond
	r := start(t, d, u)
	r.up(t)
	c.cut()
	began := time.Now()
	r.cancel(nil)
	<-r.done
	if !errors.Is(r.err, errAway) || !r.exit.Asked {
		t.Errorf("got %+v, %v", r.exit, r.err)
	}
	t.Logf("given up after %v", time.Since(began).Round(time.Millisecond))
	own := &Driver{Stack: d.Stack}
	if n, err := own.Sweep(t.Context(), false); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}

// TestKilledAtEveryCall is G3 and B6: the supervisor is killed the moment after each single call that
// changes something in the engine; one sweep removes what it left.
func TestKilledAtEveryCall(t *testing.T) {
	d := newDriver(t)
	calls := killAt(t, d, 0)
	if len(calls) < 3 { // volume, container, start
		t.Fatalf("only %q seen", calls)
	}
	if _, err := d.Sweep(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	found := 0
	for n := range calls {
		killAt(t, d, n+1)
		left := leftovers(t, d)
		found += left
		swept, err := d.Sweep(context.Background(), true)
		if err != nil || swept != left {
			t.Errorf("after %s: swept %d of %d: %v", calls[n], swept, left, err)
		}
		if left := leftovers(t, d); left != 0 {
			t.Fatalf("after %s: %d left", calls[n], left)
		}
	}
	t.Logf("killed after each of %q: %d found, 0 left", calls, found)
}

// killAt runs a supervisor and kills it when the engine has done its nth changing call, without passing the
// answer on; 0 is once the unit has started. It returns those calls.
func killAt(t *testing.T, d *Driver, n int) []string {
	t.Helper()
	var mu sync.Mutex
	var calls []string
	var cmd *exec.Cmd
	ready := make(chan struct{})
	c := newCutter(t, func(request string) func() {
		<-ready
		if strings.HasPrefix(request, "GET ") || strings.HasPrefix(request, "HEAD ") || strings.Contains(request, "/wait?") {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if calls = append(calls, request); len(calls) != n {
			return nil
		}
		return func() { _ = cmd.Process.Kill() }
	})
	cmd, started := supervisor(t, d, "--host", c.host(), "--script", "sleep 1000", "--volume", "v")
	close(ready)
	if id := started(); (id != "") != (n == 0) {
		t.Fatalf("killed at call %d: started %q", n, id)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return calls
}
