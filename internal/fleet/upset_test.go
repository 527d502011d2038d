package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// upsettable is a fake driver that keeps what is done to its units.
type upsettable struct {
	*drivertest.Fake
	deny map[string]error  // by unit
	when map[string]func() // by unit: what happens while something is done to it, once

	mu sync.Mutex
	on []string // "orders pause"
	ev []string // all that happened
}

func (d *upsettable) Upset(_ context.Context, unit string, u driver.Upset, write func([]byte) error) error {
	if err := d.deny[unit]; err != nil {
		return err
	}
	if do := d.when[unit]; do != nil {
		delete(d.when, unit)
		do()
	}
	what := unit + " " + u.String()
	if !u.Once() {
		text, _ := json.Marshal(what)
		if err := write(text); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ev = append(d.ev, what); !u.Once() && !slices.Contains(d.on, what) {
		d.on = append(d.on, what)
	}
	return nil
}

func (d *upsettable) Calm(_ context.Context, inverse []byte) error {
	var what string
	if err := json.Unmarshal(inverse, &what); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = slices.DeleteFunc(d.on, func(s string) bool { return s == what })
	return nil
}

func (d *upsettable) acts(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.on)
	if diff := cmp.Diff(append([]string{}, want...), append([]string{}, d.on...)); diff != "" {
		t.Errorf("done to units (-want +got):\n%s", diff)
	}
}

func (d *upsettable) happened(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, e := range d.ev {
		if e == what {
			n++
		}
	}
	return n
}

// upsetStory runs fn on a fleet of orders with two replicas and payments, all up.
func upsetStory(t *testing.T, fn func(t *testing.T, r *rig, d *upsettable)) {
	t.Helper()
	st := stackOf(t.TempDir(), "orders:", "payments:")
	st.Services[0].Replicas = 2
	d := &upsettable{Fake: &drivertest.Fake{}, deny: map[string]error{}}
	o := options(t, st, d.Fake)
	o.Process, o.Fault, o.Upset = d, chaos.Compile, chaos.Upset
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, d.Fake)
		if err := r.Start(t.Context(), []string{"orders", "payments"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // what is put while a run begins may be put twice
		fn(t, r, d)
		r.end(nil)
		d.acts(t)
		if left, _ := os.ReadDir(leftoverDir(o.StateDir)); len(left) > 0 {
			t.Errorf("%d files are left", len(left))
		}
	})
}

func parseFaults(t *testing.T, line string) []state.Fault {
	t.Helper()
	faults, err := chaos.Parse(strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func add(t *testing.T, r *rig, line string) []state.Fault {
	t.Helper()
	put, err := r.AddFaults(t.Context(), parseFaults(t, line))
	if err != nil {
		t.Fatal(err)
	}
	return put
}

// TestUpset shows what a service, a replica and the end of a fault are to those that run.
func TestUpset(t *testing.T) {
	upsetStory(t, func(t *testing.T, r *rig, d *upsettable) {
		add(t, r, "orders pause for=10s name=all")
		d.acts(t, "orders pause", "orders-2 pause")
		add(t, r, "orders-2 pause for=20s name=one")
		add(t, r, "payments cpu=20% for=20s")
		time.Sleep(11 * time.Second)
		synctest.Wait()
		d.acts(t, "orders-2 pause", "payments cpu 0.2") // the end of one pause is not the end of another
		if n, err := r.RemoveFaults(t.Context(), []string{"one"}); n != 1 || err != nil {
			t.Errorf("removed %d, %v", n, err)
		}
		d.acts(t, "payments cpu 0.2")
		if n, err := r.ClearFaults(t.Context(), "payments"); n != 1 || err != nil {
			t.Errorf("cleared %d, %v", n, err)
		}
		d.acts(t)
		add(t, r, "orders pause") // the end of the fleet lifts it
	})
}

// TestUpsetOfTheNextRun shows that what lasts acts on a run that begins meanwhile.
func TestUpsetOfTheNextRun(t *testing.T) {
	upsetStory(t, func(t *testing.T, r *rig, d *upsettable) {
		add(t, r, "payments memory=64MiB for=1m")
		if err := r.Restart(t.Context(), []string{"payments"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := d.happened("payments memory 67108864"); n != 2 {
			t.Errorf("it was put %d times, want 2", n)
		}
	})
}

// TestUpsetLiftedBefore shows that a fault that is lifted while another of the same call is put is not put
// any more.
func TestUpsetLiftedBefore(t *testing.T) {
	upsetStory(t, func(t *testing.T, r *rig, d *upsettable) {
		var cleared sync.WaitGroup
		d.when = map[string]func(){"orders": func() {
			cleared.Go(func() {
				if n, err := r.ClearFaults(t.Context(), ""); n != 3 || err != nil {
					t.Errorf("cleared %d, %v", n, err)
				}
			})
			synctest.Wait() // it has lifted them, and waits for its turn to undo
		}}
		faults := append(parseFaults(t, "orders pause"), parseFaults(t, "payments pause")...)
		if _, err := r.AddFaults(t.Context(), append(faults, parseFaults(t, "payments kill")...)); err != nil {
			t.Error(err)
		}
		cleared.Wait()
		d.acts(t)
		if n := d.happened("payments pause") + d.happened("payments signal KILL"); n != 0 {
			t.Errorf("%d things were done to payments that were lifted before", n)
		}
	})
}

// TestUpsetSameName shows that what a fault did is undone, and not what one of the same name does, which was put
// between its lifting and its undoing.
func TestUpsetSameName(t *testing.T) {
	upsetStory(t, func(t *testing.T, r *rig, d *upsettable) {
		add(t, r, "payments pause name=x")
		r.mesh.mu.Lock()
		lifted := r.mesh.lift(func(*acting) bool { return true })
		r.mesh.mu.Unlock()
		add(t, r, "payments cpu=20% name=x")
		d.acts(t, "payments cpu 0.2")
		r.mesh.tell(lifted)
		d.acts(t, "payments cpu 0.2")
	})
}

// inheriting is a driver whose inverse says how many cores a unit had before.
type inheriting struct {
	*upsettable
	has float64 // cores of payments
}

func (d *inheriting) Upset(_ context.Context, _ string, u driver.Upset, write func([]byte) error) error {
	text, _ := json.Marshal(d.has)
	if err := write(text); err != nil {
		return err
	}
	if u.CPU > 0 {
		d.has = u.CPU
	}
	return nil
}

func (d *inheriting) Inherit(fresh []byte, left [][]byte) ([]byte, error) {
	return append(left, fresh)[0], nil
}

func (d *inheriting) Calm(_ context.Context, inverse []byte) error {
	return json.Unmarshal(inverse, &d.has)
}

// TestUpsetInherits is H9: whichever of two faults on a unit is lifted first, the unit is as it was at the end,
// also after the one that stays was put again.
func TestUpsetInherits(t *testing.T) {
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		t.Run(order[0]+" first", func(t *testing.T) {
			d := &inheriting{&upsettable{Fake: &drivertest.Fake{}}, 2}
			o := options(t, stackOf(t.TempDir(), "payments:"), d.Fake)
			o.Process, o.Fault, o.Upset = d, chaos.Compile, chaos.Upset
			synctest.Test(t, func(t *testing.T) {
				r := run(t, o, d.Fake)
				if err := r.Start(t.Context(), []string{"payments"}); err != nil {
					t.Fatal(err)
				}
				add(t, r, "payments cpu=50% name=a")
				add(t, r, "payments cpu=20% name=b")
				for _, id := range order {
					if _, err := r.RemoveFaults(t.Context(), []string{id}); err != nil {
						t.Error(err)
					}
				}
				r.end(nil)
				if d.has != 2 {
					t.Errorf("it has %v cores, want 2 as before", d.has)
				}
			})
		})
	}
}

// TestUpsetOnce shows that what is done at once is no fault that acts.
func TestUpsetOnce(t *testing.T) {
	upsetStory(t, func(t *testing.T, r *rig, d *upsettable) {
		put := add(t, r, "orders-2 kill")
		if put[0].ID != "kill-1" || put[0].For != 0 || !put[0].Until.IsZero() {
			t.Errorf("put %+v", put[0])
		}
		before := r.get("payments").Started
		time.Sleep(time.Second)
		add(t, r, "payments restart")
		if err := r.Start(t.Context(), []string{"payments"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if after := r.get("payments").Started; !after.After(before) {
			t.Errorf("payments runs since %v, as before", after)
		}
		if faults, _ := r.Faults(t.Context()); len(faults) != 0 {
			t.Errorf("they act: %v", faults)
		}
		if n := d.happened("orders-2 signal KILL"); n != 1 {
			t.Errorf("orders-2 was killed %d times", n)
		}
	})
}

// TestUpsetAllOrNone shows that of several nothing is done where one cannot be, and H10: nothing outside the
// stack is touched.
func TestUpsetAllOrNone(t *testing.T) {
	upsetStory(t, func(t *testing.T, r *rig, d *upsettable) {
		d.deny["orders-2"] = errors.New("it cannot")
		faults, err := chaos.Parse(strings.Fields("orders cpu=50% pause"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.AddFaults(t.Context(), faults); err == nil || !strings.Contains(err.Error(), "it cannot") {
			t.Errorf("put: %v", err)
		}
		d.acts(t)
		_, err = r.AddFaults(t.Context(), []state.Fault{{Target: "sshd", Kind: "pause"}})
		if !errors.Is(err, state.ErrUnknownTarget) {
			t.Errorf("outside the stack: %v, want %v", err, state.ErrUnknownTarget)
		}
		if all, _ := r.Faults(t.Context()); len(all) != 0 {
			t.Errorf("they act: %v", all)
		}
	})
}

// TestUpsetCannot says why something cannot be done to a unit, and where it stands what can.
func TestUpsetCannot(t *testing.T) {
	upsetStory(t, func(t *testing.T, r *rig, d *upsettable) {
		for why, want := range map[error]string{
			fmt.Errorf("upset payments: %w: a process has no network of its own", driver.ErrCannot): "put disconnect on payments: a process has no network of its own",
			fmt.Errorf("upset payments: %w", driver.ErrCannot):                                      "put disconnect on payments: what runs it has no means for faults",
		} {
			d.deny["payments"] = why
			_, err := r.AddFaults(t.Context(), parseFaults(t, "payments disconnect"))
			hinted := interface{ Advice() string }(nil)
			if !errors.Is(err, driver.ErrCannot) || err.Error() != want || !errors.As(err, &hinted) || !strings.Contains(hinted.Advice(), "msctl doctor") {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	})
}

// TestUpsetOfResource shows that a resource is its server, and who else feels it.
func TestUpsetOfResource(t *testing.T) {
	st := stackOf(t.TempDir())
	var names []string
	for _, name := range []string{"orders-db", "users-db", "files"} {
		res := &stack.Resource{Name: name, Type: "postgres", Runtime: "embedded"}
		if name == "files" {
			res.Embedded = "sqlite"
		}
		st.Resources = append(st.Resources, res)
		names = append(names, name)
	}
	server := resource.Choice{Server: "postgres"}
	f := &Fleet{units: map[string]*unit{}, groups: map[string][]*unit{}}
	var choices []resource.Choice
	for i, name := range names {
		c := server
		if c.Resource = st.Resources[i]; name == "files" {
			c.Server = ""
		} else {
			choices = append(choices, c)
		}
		f.add(&Step{Name: name, Service: name, Sort: state.Resource, choice: &c})
	}
	f.add(&Step{Name: "postgres", Service: "postgres", Sort: state.Server, server: &resource.Server{Name: "postgres", Choices: choices}})
	for target, want := range map[string]string{
		"orders-db": "postgres [users-db]", "postgres": "postgres [orders-db users-db]", "files": "it is a file, and no process of its own",
	} {
		units, also, err := f.struck(target)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(units[0].name, " ", also)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", target, got, want)
		}
	}
}

// TestHealAtStart is H9: what a supervisor that was killed did to units is undone by the next one.
func TestHealAtStart(t *testing.T) {
	st := stackOf(t.TempDir(), "orders:")
	d := &upsettable{Fake: &drivertest.Fake{}, on: []string{"orders pause"}}
	o := options(t, st, d.Fake)
	o.Process = d
	left := leftover{Fault: "pause-1", Unit: "orders", Inverse: json.RawMessage(`"orders pause"`)}
	if err := left.write(leftoverDir(o.StateDir)); err != nil {
		t.Fatal(err)
	}
	other := leftover{Fault: "pause-2", Unit: "db", Container: true, Inverse: json.RawMessage(`{}`)}
	if err := other.write(leftoverDir(o.StateDir)); err != nil {
		t.Fatal(err)
	}
	r := run(t, o, d.Fake)
	if err := r.Start(t.Context(), []string{"orders"}); err != nil {
		t.Fatal(err)
	}
	d.acts(t)
	r.end(nil)
	units, err := Heal(t.Context(), o.StateDir, d, nil)
	if len(units) != 0 || err == nil || !strings.Contains(err.Error(), "calm db: no container engine answers") {
		t.Errorf("healed %v, %v: the file of a container stays while no engine answers", units, err)
	}
}
