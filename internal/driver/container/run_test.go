package container

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"msctl.dev/msctl/internal/driver"
)

func TestRunToItsEnd(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "job", "echo out; echo err >&2; echo $WHAT; exit 3")
	u.Env = []string{"WHAT=a b"}
	r := start(t, d, u)
	s := r.up(t)
	if s.Container == "" || s.Adopted {
		t.Errorf("started %+v", s)
	}
	if e := r.end(t); e.Code != 3 || e.Signal != "" || e.Asked || e.OOM || time.Since(e.At) > time.Minute {
		t.Errorf("exit %+v", e)
	}
	got := lines(t, u)
	slices.Sort(got)
	if want := []string{"a b", "err", "out"}; !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
	if left := leftovers(t, d); left != 0 {
		t.Errorf("%d containers left", left)
	}
}

// leftovers counts the containers and networks of the stack, and those of its volumes that [Driver.Sweep]
// would remove.
func leftovers(t *testing.T, d *Driver) int {
	t.Helper()
	ctx := context.Background()
	cli, _, err := dial(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	found, err := list(ctx, cli, d.Stack)
	if err != nil {
		t.Fatal(err)
	}
	nets, err := cli.NetworkList(ctx, network.ListOptions{Filters: byStack(d.Stack)})
	if err != nil {
		t.Fatal(err)
	}
	vols, err := cli.VolumeList(ctx, volume.ListOptions{Filters: byStack(d.Stack)})
	if err != nil {
		t.Fatal(err)
	}
	return len(found) + len(nets) + len(vols.Volumes)
}

func TestStop(t *testing.T) {
	cases := []struct {
		name, script, signal string
		cause                error
		hurry                bool
		want                 driver.Exit
		killed               bool
	}{
		{"polite", "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done", "", nil, false, driver.Exit{Code: 7, Asked: true}, false},
		{"other signal", "trap 'exit 5' INT; echo up; while :; do sleep 0.05; done", "INT", nil, false, driver.Exit{Code: 5, Asked: true}, false},
		{"not handled", "echo up; sleep 1000", "", nil, false, driver.Exit{Signal: "TERM", Asked: true}, false},
		{"G6 ignores TERM", "trap '' TERM; echo up; while :; do sleep 0.05; done", "", nil, false, driver.Exit{Signal: "KILL", Asked: true}, true},
		{"hurried", "trap '' TERM; echo up; while :; do sleep 0.05; done", "", nil, true, driver.Exit{Signal: "KILL", Asked: true}, true},
		{"at once", "trap '' TERM; echo up; while :; do sleep 0.05; done", "", driver.ErrKill, false, driver.Exit{Signal: "KILL", Asked: true}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t)
			u := shell(t, "svc", c.script)
			u.Signal = c.signal
			u.Grace = time.Second
			if c.hurry {
				u.Grace = time.Hour
			}
			r := start(t, d, u)
			r.up(t)
			eventually(t, "up", func() bool { return slices.Contains(lines(t, u), "up") })
			r.cancel(c.cause)
			if c.hurry {
				close(r.hurry)
			}
			got := r.end(t)
			got.At = time.Time{}
			if got != c.want {
				t.Errorf("exit %+v, want %+v", got, c.want)
			}
			if killed := len(r.killed) > 0; killed != c.killed {
				t.Errorf("killed hook called: %v, want %v", killed, c.killed)
			}
			if left := leftovers(t, d); left != 0 {
				t.Errorf("%d containers left", left)
			}
		})
	}
}

// TestAdopt is A3 and D7 for containers: left running, the same unit is taken over, with every line once;
// another one takes its place.
func TestAdopt(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done")
	u.Restarts = 4
	first := start(t, d, u)
	id := first.up(t).Container
	eventually(t, "50 lines", func() bool { return len(lines(t, u)) > 50 })
	first.cancel(driver.ErrDetach)
	first.end(t)

	u.Restarts = 0
	next := &Driver{Stack: d.Stack, ImagePrefix: d.ImagePrefix}
	second := start(t, next, u)
	s := second.up(t)
	if s.Container != id || !s.Adopted || s.Restarts != 4 {
		t.Errorf("got %+v, want %s adopted with 4 restarts", s, id)
	}
	n := len(lines(t, u))
	eventually(t, "50 more lines", func() bool { return len(lines(t, u)) > n+50 })
	second.cancel(driver.ErrDetach)
	second.end(t)
	checkCount(t, lines(t, u))

	u.Env = []string{"CHANGED=1"}
	third := start(t, d, u)
	if s := third.up(t); s.Container == id || s.Adopted {
		t.Errorf("got %+v, want another container", s)
	}
	third.cancel(nil)
	third.end(t)
}

// TestFailedTakeOver leaves a container that could not be looked at to the next try, and does not end it.
func TestFailedTakeOver(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "sleep 1000")
	r := start(t, d, u)
	id := r.up(t).Container
	r.cancel(driver.ErrDetach)
	r.end(t)
	c := newCutter(t, func(request string) func() {
		if strings.HasSuffix(request, id+"/json") {
			return func() {} // no answer
		}
		return nil
	})
	next := &Driver{Stack: d.Stack, ImagePrefix: d.ImagePrefix, Host: c.host()}
	if _, err := next.Run(t.Context(), u, driver.Hooks{}); err == nil {
		t.Error("no error")
	}
	r = start(t, d, u)
	if s := r.up(t); s.Container != id || !s.Adopted {
		t.Errorf("started %+v, want %s adopted", s, id)
	}
}
