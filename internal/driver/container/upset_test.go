package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"msctl.dev/msctl/internal/driver"
)

// TestUpset does everything to a container that can be done, has it undone by another process that knows the
// inverse alone, twice, and looks at the engine (H9).
func TestUpset(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "sleep 1000")
	id := start(t, d, u).up(t).Container
	look := func() container.InspectResponse {
		t.Helper()
		c, err := d.link.Load().cli.ContainerInspect(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	cases := map[string]struct {
		upset driver.Upset
		acts  func(container.InspectResponse) bool
	}{
		"pause":      {driver.Upset{Pause: true}, func(c container.InspectResponse) bool { return c.State.Paused }},
		"cpu":        {driver.Upset{CPU: 0.2}, func(c container.InspectResponse) bool { return c.HostConfig.CPUQuota == 20_000 }},
		"memory":     {driver.Upset{Memory: 64 << 20}, func(c container.InspectResponse) bool { return c.HostConfig.Memory == 64<<20 }},
		"disconnect": {driver.Upset{Disconnect: true}, func(c container.InspectResponse) bool { return len(c.NetworkSettings.Networks) == 0 }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var inv []byte
			if err := d.Upset(t.Context(), "svc", c.upset, func(b []byte) error {
				if c.acts(look()) {
					t.Error("it was done before it was written")
				}
				inv = b
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !c.acts(look()) {
				t.Errorf("it was not done: %s", inv)
			}
			other := &Driver{Stack: d.Stack}
			for range 2 {
				if err := other.Calm(t.Context(), inv); err != nil {
					t.Fatal(err)
				}
				if c.acts(look()) {
					t.Errorf("it was not undone: %s", inv)
				}
			}
			stranger := &Driver{Stack: d.Stack + "-other"}
			if err := stranger.Calm(t.Context(), inv); err == nil {
				t.Error("another stack undid it (H10)")
			}
		})
	}
	full := errors.New("disk is full")
	if err := d.Upset(t.Context(), "svc", driver.Upset{Pause: true}, func([]byte) error { return full }); !errors.Is(err, full) || look().State.Paused {
		t.Errorf("what cannot be written down: %v", err)
	}
	if err := d.Upset(t.Context(), "other", driver.Upset{Pause: true}, nil); !errors.Is(err, driver.ErrNotRunning) {
		t.Errorf("a unit that does not run: %v", err)
	}
}

// TestUpsetInherits puts two upsets of one sort on a container, lifts them in both orders, the other being put
// again after the first, and wants the container as it was (H9).
func TestUpsetInherits(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "sleep 1000")
	u.CPU, u.Memory = 1.5, 512<<20
	id := start(t, d, u).up(t).Container
	look := func() (l limits, networks int) {
		c, err := d.link.Load().cli.ContainerInspect(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		h := c.HostConfig
		return limits{h.NanoCPUs, h.CPUPeriod, h.CPUQuota, h.Memory, 0}, len(c.NetworkSettings.Networks)
	}
	was, on := look()
	for name, pair := range map[string][2]driver.Upset{
		"cpu": {{CPU: 0.5}, {CPU: 0.2}}, "memory": {{Memory: 64 << 20}, {Memory: 32 << 20}}, "disconnect": {{Disconnect: true}, {Disconnect: true}},
	} {
		for first := range 2 {
			t.Run(fmt.Sprint(name, " ", first), func(t *testing.T) {
				left := map[int][]byte{} // as the fleet keeps it
				put := func(i int) {
					if err := d.Upset(t.Context(), "svc", pair[i], func(b []byte) (err error) {
						left[i], err = d.Inherit(b, slices.Collect(maps.Values(left)))
						return err
					}); err != nil {
						t.Fatal(err)
					}
				}
				lift := func(i int) {
					if err := d.Calm(t.Context(), left[i]); err != nil {
						t.Fatal(err)
					}
					delete(left, i)
				}
				put(0)
				put(1)
				lift(first)
				put(1 - first)
				lift(1 - first)
				if now, n := look(); now != was || n != on {
					t.Errorf("it has %+v and %d networks, want %+v and %d", now, n, was, on)
				}
			})
		}
	}
}

// TestInherit shows what is kept of how a container was: of that container, and of the same sort, alone.
func TestInherit(t *testing.T) {
	text := func(inv inverse) []byte { b, _ := json.Marshal(inv); return b }
	fresh := inverse{Unit: "svc", Container: "a", Upset: driver.Upset{CPU: 0.2}, Limits: &limits{CPUQuota: 50_000}}
	before := &limits{NanoCPUs: 2e9}
	for name, c := range map[string]struct {
		left inverse
		want int64 // NanoCPUs
	}{
		"the same":        {inverse{Container: "a", Upset: driver.Upset{CPU: 0.5}, Limits: before}, 2e9},
		"of another sort": {inverse{Container: "a", Upset: driver.Upset{Memory: 1}, Limits: before}, 0},
		"of an earlier":   {inverse{Container: "b", Upset: driver.Upset{CPU: 0.5}, Limits: before}, 0},
	} {
		got, err := new(Driver).Inherit(text(fresh), [][]byte{text(c.left)})
		var inv inverse
		if err = errors.Join(err, json.Unmarshal(got, &inv)); err != nil || inv.Limits.NanoCPUs != c.want || inv.Upset != fresh.Upset {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestUpsetKill shows that a killed container is not one that was asked to stop, and that a paused one can be
// killed and stopped.
func TestUpsetKill(t *testing.T) {
	d := newDriver(t)
	u := shell(t, "svc", "sleep 1000")
	r := start(t, d, u)
	r.up(t)
	if err := d.Upset(t.Context(), "svc", driver.Upset{Signal: "KILL"}, nil); err != nil {
		t.Fatal(err)
	}
	if e := r.end(t); e.Asked || e.Signal != "KILL" {
		t.Errorf("it ended with %+v, want KILL, not asked", e)
	}
	r = start(t, d, u)
	r.up(t)
	if err := d.Upset(t.Context(), "svc", driver.Upset{Pause: true}, func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r.cancel(nil)
	if e := r.end(t); !e.Asked {
		t.Errorf("it ended with %+v, want asked", e)
	}
}

// TestNetem delays the packets of a container where the kernel can.
func TestNetem(t *testing.T) {
	words := netemWords(driver.Netem{Delay: 100 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.015, Duplicate: 1})
	if got, want := strings.Join(words, " "), "netem delay 100000us 5000us loss 1.5% duplicate 100%"; got != want {
		t.Errorf("tc gets %q, want %q", got, want)
	}
	d := newDriver(t)
	start(t, d, shell(t, "svc", "sleep 1000")).up(t)
	var inv []byte
	err := d.Upset(t.Context(), "svc", driver.Upset{Network: &driver.Netem{Loss: 0.5}}, func(b []byte) error { inv = b; return nil })
	if cannot := Netem(t.Context()); cannot != nil {
		if !errors.Is(err, driver.ErrCannot) || inv != nil {
			t.Errorf("%v, want %v", err, driver.ErrCannot)
		}
		t.Skip(cannot)
	}
	if err != nil || slices.Equal(inv, nil) {
		t.Fatal(err)
	}
	if err := d.Calm(t.Context(), inv); err != nil {
		t.Error(err)
	}
}
