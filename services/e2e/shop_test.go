package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/need"
)

// what `shop load --json` prints, as far as it is looked at.
type loaded struct {
	Orders, Accepted, Retried int
	Lost, Wrong               []string
	Invariants                []struct {
		Name   string
		Looked int
		Broken []string
	}
}

// TestShop brings the whole fleet up on every backing that this machine has, walks through it as README.md
// says, follows one order, and lets many people order: at their ease, all at once, and while every service
// is restarted. One fleet has two of every service while many order. The quiet minute is the same for all
// fleets, and leaves the machine time for what [telemetry] asks of others.
func TestShop(t *testing.T) {
	need.Tool(t, "bash")
	need.Tool(t, "curl")
	root, msctl := build(t)
	var fleets []*fleet
	for _, backing := range backings {
		t.Run(backing.name, func(s *testing.T) {
			backing.need(s)
			copied := up(s, t, root, msctl, backing.name)
			env := []string{"MSCTL=" + msctl, "MSCTL_FLAGS=--instance " + copied}
			do(s, root, env, filepath.Join(root, "services", "walk.sh"))
			f := newFleet(s, root, msctl, copied)
			f.orderIsOneTrace()
			f.backing, f.t = backing.name, t
			fleets = append(fleets, f)
		})
	}
	quiet := loads(fleets, "--rate", "1", "--duration", "60s")
	t.Run("telemetry", func(t *testing.T) { telemetry(t, root, msctl) })
	for i, f := range fleets {
		t.Run(f.backing+" in quiet", func(t *testing.T) { f.with(t).look(<-quiet[i]) })
		t.Run(f.backing+" in a hurry", func(t *testing.T) {
			f := f.with(t)
			t.Cleanup(func() { do(t, root, nil, msctl, "--instance", f.instance, "down", "-v") }) // the others need the machine
			if f.backing == "native" {
				f.double()
			}
			f.load("--rate", "50", "--duration", "10s")
			f.loadWhileRestarted()
		})
	}
}

// double runs two replicas of every service.
func (f *fleet) double() {
	f.t.Helper()
	scale := []string{"scale"}
	for _, s := range f.services() {
		scale = append(scale, s+"=2")
	}
	f.tell(scale...)
	count := map[string]int{}
	for _, u := range f.units() {
		count[u.Service]++
	}
	for _, s := range f.services() {
		if count[s] != 2 {
			f.t.Errorf("%s has %d replicas, want 2", s, count[s])
		}
	}
}

// load runs the load task, as patient as a busy machine needs it, which must lose nothing and leave every invariant true.
func (f *fleet) load(flags ...string) {
	f.t.Helper()
	f.look(<-loads([]*fleet{f}, flags...)[0])
}

// outcome is what a load printed, and how it ended.
type outcome struct {
	flags []string
	out   []byte
	err   error
}

// loads runs the load task on all fleets at once, and tells the outcome of each.
func loads(fleets []*fleet, flags ...string) []chan outcome {
	var all []chan outcome
	for _, f := range fleets {
		ended := make(chan outcome, 1)
		all = append(all, ended)
		argv := append([]string{f.msctl, "--instance", f.instance, "run", "shop", "load", "--json", "--settle", "4m"}, flags...)
		go func() {
			out, err := run(f.t, f.root, nil, argv...)
			ended <- outcome{flags, out, err}
		}()
	}
	return all
}

// look fails the test where a load lost something or left an invariant broken.
func (f *fleet) look(o outcome) {
	f.t.Helper()
	if o.err != nil {
		f.t.Fatalf("load %v: %v\n%s", o.flags, o.err, o.out)
	}
	got, flags := read[loaded](f, string(o.out)), o.flags
	if len(got) != 1 || got[0].Orders == 0 || got[0].Accepted != got[0].Orders || len(got[0].Invariants) != 5 {
		f.t.Fatalf("load %v: %+v", flags, got)
	}
	for _, i := range got[0].Invariants {
		if i.Looked == 0 || len(i.Broken) > 0 {
			f.t.Errorf("load %v: %s looked at %d: %v", flags, i.Name, i.Looked, i.Broken)
		}
	}
}

// unit is a replica of a service.
type unit struct{ Service, Sort, Phase string }

// units returns the replicas that are ready.
func (f *fleet) units() []unit {
	f.t.Helper()
	return slices.DeleteFunc(ask[unit](f, "ps"), func(u unit) bool { return u.Sort != "service" || u.Phase != "ready" })
}

// services returns the names of those that run.
func (f *fleet) services() []string {
	f.t.Helper()
	var names []string
	for _, u := range f.units() {
		if !slices.Contains(names, u.Service) {
			names = append(names, u.Service)
		}
	}
	if len(names) < 10 {
		f.t.Fatalf("these run: %v", names)
	}
	return names
}

// loadWhileRestarted restarts every service once, one after the other, while 200 orders are placed.
func (f *fleet) loadWhileRestarted() {
	f.t.Helper()
	services := f.services()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, s := range services {
			if out, err := run(f.t, f.root, nil, f.msctl, "--instance", f.instance, "restart", s); err != nil {
				f.t.Errorf("restart %s: %v\n%s", s, err, out)
			}
		}
	}()
	f.load("--rate", "5", "--duration", "40s")
	<-done
}

// orderIsOneTrace places an order, and waits until it is one trace through the services that it passes,
// synchronously and behind the broker.
func (f *fleet) orderIsOneTrace() {
	f.t.Helper()
	const id = "e2e-order-1"
	var token struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(f.call("POST", "/token", `{"role": "user", "subject": "shopper-01"}`, 200), &token); err != nil {
		f.t.Fatal(err)
	}
	admin := f.token
	f.token = token.Token
	defer func() { f.token = admin }()
	f.call("POST", "/orders", `{"id": "`+id+`", "lines": [{"item_id": "espresso-cup", "quantity": 2}], "card": "tok_ok"}`, 201, 202, 200)
	want := []string{
		"gateway", "orders", "catalog", "inventory", "payments", "legacy", "notifications", "users", "templates", "email",
	}
	var missing string
	f.until("the order is one trace", func() bool {
		found := ask[traceLine](f, "traces", "--since", "5m", "-n", "2000")
		missing = fmt.Sprintf("the trace itself, in %+v", found)
		return slices.ContainsFunc(found, func(l traceLine) bool { // one more where it was asked twice
			if l.Name != "POST /v1/orders" {
				return false
			}
			missing = strings.Join(slices.DeleteFunc(slices.Clone(want), func(s string) bool {
				return slices.Contains(l.Services, s)
			}), ", ")
			return missing == ""
		})
	}, &missing)
	f.page(id)
}

// page asks for the page of an order, with every part.
func (f *fleet) page(id string) {
	f.t.Helper()
	var page struct {
		Order    struct{ ID, Status string }
		Items    []struct{ ID string }
		Customer struct{ Name string }
		Stock    []struct {
			Item string `json:"item_id"`
			Sold int64
		}
		Degraded []string
	}
	f.until("every part of the page is there", func() bool {
		if err := json.Unmarshal(f.call("GET", "/orders/"+id+"/page", "", 200), &page); err != nil {
			f.t.Fatal(err)
		}
		return len(page.Degraded) == 0
	})
	if page.Order.ID != id || page.Order.Status != "confirmed" || page.Customer.Name != "Ada" ||
		len(page.Items) != 1 || len(page.Stock) != 1 || page.Stock[0].Sold < 2 {
		f.t.Errorf("the page is %+v", page)
	}
}

// TestShopWithGoAlone brings the fleet up where there is no Node and no Python: what needs them is
// skipped, and the gateway serves the order page itself.
func TestShopWithGoAlone(t *testing.T) {
	root, msctl := build(t)
	tools := t.TempDir()
	for _, tool := range []string{"go", "git", "sh"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("%s is not on the PATH", tool)
		}
		if err := os.Symlink(path, filepath.Join(tools, tool)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", tools)
	f := newFleet(t, root, msctl, up(t, t, root, msctl, "embedded"))
	skipped := map[string]bool{}
	for _, u := range ask[struct{ Service, Phase string }](f, "ps") {
		skipped[u.Service] = u.Phase == "skipped"
	}
	if !skipped["bff"] || !skipped["push"] || skipped["orders"] {
		t.Fatalf("skipped are %v, want bff and push", skipped)
	}
	f.orderIsOneTrace()
	f.load("--rate", "5", "--duration", "2s")
}
