package container

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
)

// TestSample measures a unit that computes and holds memory.
func TestSample(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "x=$(head -c 20000000 /dev/zero | tr '\\0' x); while :; do :; done")
	start(t, d, u).up(t)
	var got driver.Usage
	eventually(t, "0.1 s of CPU and 20 MB", func() bool {
		all, err := d.Sample(t.Context(), []string{"svc", "unknown"})
		if err != nil || len(all) > 1 {
			t.Fatal(all, err)
		}
		got = all["svc"]
		return got.CPU > 100*time.Millisecond && got.Memory > 20e6
	})
	if got.Processes < 2 || got.Memory > 200e6 {
		t.Errorf("used %+v", got)
	}
}

// TestLimits is the OOM flag, and what a limit looks like inside.
func TestLimits(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "x=$(head -c 200000000 /dev/zero | tr '\\0' x); exit 0")
	u.Memory, u.CPU = 32<<20, 0.5
	r := start(t, d, u)
	if e := r.end(t); e.OK() || !e.OOM {
		t.Errorf("exit %+v", e)
	}
}

// TestExec runs commands inside a unit: streams apart, input, exit code, and with a terminal.
func TestExec(t *testing.T) {
	d := newDriver(t)
	start(t, d, shell(t, "svc", "sleep 1000")).up(t)
	var out, errOut bytes.Buffer
	code, err := d.Exec(t.Context(), "svc", []string{"sh", "-c", "cat; echo oops >&2; exit 3"},
		driver.Stdio{In: strings.NewReader("hello\n"), Out: &out, Err: &errOut})
	if code != 3 || err != nil || out.String() != "hello\n" || errOut.String() != "oops\n" {
		t.Errorf("got %d, %v, %q, %q", code, err, out.String(), errOut.String())
	}
	out.Reset()
	code, err = d.Exec(t.Context(), "svc", []string{"sh", "-c", "test -t 1 && echo terminal"}, driver.Stdio{Out: &out, TTY: true})
	if code != 0 || err != nil || out.String() != "terminal\r\n" {
		t.Errorf("got %d, %v, %q", code, err, out.String())
	}
	if _, err := d.Exec(t.Context(), "other", []string{"true"}, driver.Stdio{}); err == nil {
		t.Error("no error for a unit that does not run")
	}
	// another process (the command line beside a detached fleet) finds the container by its label
	beside := &Driver{Stack: d.Stack}
	if code, err := beside.Exec(t.Context(), "svc", []string{"true"}, driver.Stdio{Out: io.Discard}); code != 0 || err != nil {
		t.Errorf("got %d, %v", code, err)
	}
}

// TestPaused is a container that an experiment froze: it is adopted thawed, and stops within its grace.
func TestPaused(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "sleep 1000")
	r := start(t, d, u)
	id := r.up(t).Container
	cli := d.link.Load().cli
	if err := cli.ContainerPause(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.cancel(driver.ErrDetach)
	r.end(t)
	r = start(t, d, u)
	if s := r.up(t); !s.Adopted || s.Container != id {
		t.Errorf("started %+v", s)
	}
	if err := cli.ContainerPause(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.cancel(nil)
	if e := r.end(t); e.Signal != "TERM" {
		t.Errorf("exit %+v", e)
	}
}

// TestRemovedByOthers is an error, not a hang.
func TestRemovedByOthers(t *testing.T) {
	d := newDriver(t)
	r := start(t, d, shell(t, "svc", "sleep 1000"))
	id := r.up(t).Container
	if err := remove(t.Context(), d.link.Load().cli, id); err != nil {
		t.Fatal(err)
	}
	<-r.done
	if r.err == nil && r.exit.Signal != "KILL" {
		t.Errorf("got %+v", r.exit)
	}
}
