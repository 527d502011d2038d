package explore

import (
	"context"
	"fmt"
	"time"
)

// model is a request through services that are functions: each call moves a clock on, and a fault of the
// set makes it fail.
type model struct {
	bugs map[string]bool

	set   Set
	run   []Seen
	now   time.Duration
	in    []int // calls under way, innermost last
	state map[string]int
}

// modes of the model: the callee is not asked, in two ways that its callers cannot tell apart.
var modelModes = []Mode{{Name: "error"}, {Name: "slow"}}

// call makes one call and reports whether it worked.
func (m *model) call(edge, op string, do func() bool) bool {
	of := -1
	if len(m.in) > 0 {
		of = m.in[len(m.in)-1]
	}
	m.now++
	i := len(m.run)
	m.run = append(m.run, Seen{Call: Call{Edge: edge, Op: op, Proto: "http", Start: m.now, End: 1 << 40}, Of: of})
	calls := Name(m.run)
	c := calls[len(calls)-1]
	mode := m.set.mode(c.Point)
	ok := mode == ""
	if ok || mode == "omit" {
		m.in = append(m.in, i)
		worked := do == nil || do()
		m.in = m.in[:len(m.in)-1]
		ok = ok && worked
	}
	m.now++
	m.run[i].End = m.now
	m.run[i].Got = map[bool]string{true: "ok", false: "failed"}[ok]
	return ok
}

// order is a shop's: eleven calls where nothing fails.
func (m *model) order() string {
	m.call("gateway:cache", "GET", nil) // a cache that is away costs time
	if !m.call("gateway:users", "GET /users/{id}", nil) {
		return "503"
	}
	if !m.call("gateway:orders", "POST /orders", m.saga) {
		return "503"
	}
	m.call("gateway:offers", "GET /offers", nil) // left out where it fails
	return "201"
}

func (m *model) saga() bool {
	if !m.call("orders:catalog", "GET /items", func() bool {
		return m.call("catalog:cache", "GET", nil) || m.call("catalog:db", "SELECT items", nil)
	}) {
		return false
	}
	if !m.call("orders:inventory", "Reserve", func() bool { m.state["held"]++; return true }) {
		return m.undo()
	}
	if !m.call("orders:payments", "Charge", m.charge) {
		return m.undo()
	}
	if !m.call("orders:inventory", "Commit", func() bool { m.state["held"]--; return true }) {
		return m.undo()
	}
	m.call("orders:broker", "publish events", nil) // an outbox: it is sent later
	return true
}

func (m *model) charge() bool {
	for range 2 {
		if m.call("payments:bank", "POST /pay", func() bool { m.state["charged"]++; return true }) {
			return true
		}
	}
	return false
}

// undo gives the stock back, and tries until it could; one of the bugs is that it tries once.
func (m *model) undo() bool {
	if m.state["held"] == 0 {
		return false
	}
	release := func() bool { m.state["held"]--; return true }
	if !m.call("orders:inventory", "Release", release) && !m.bugs["release"] {
		m.state["held"]--
	}
	return false
}

// runner runs an order anew for each set.
func (m model) runner() Runner {
	return func(_ context.Context, s Set) (Run, error) {
		one := model{bugs: m.bugs, set: s, state: map[string]int{}}
		r := Run{Answer: one.order(), Calls: Name(one.run)}
		if n := one.state["held"]; n != 0 {
			r.Broken = append(r.Broken, fmt.Sprintf("%d reserved by nobody", n))
		}
		if n := one.state["charged"]; n > 1 {
			r.Broken = append(r.Broken, fmt.Sprintf("charged %d times", n))
		}
		return r, nil
	}
}
