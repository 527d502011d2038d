package tui

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// answered is the one message of all background work: apply changes the model, in its loop. It is dropped
// when something newer was asked in the same slot meanwhile.
type answered struct {
	slot  string
	gen   uint64
	apply func(m *model) tea.Cmd
}

// patience is how long a question to the source may take.
const patience = 15 * time.Second

// ask runs work in the background and applies its answer. Of each slot only the newest question counts:
// the one before is cancelled. doing is shown at the foot meanwhile; "" is quiet.
func (m *model) ask(slot, doing string, work func(ctx context.Context) func(m *model) tea.Cmd) tea.Cmd {
	m.forget(slot)
	m.gen++
	gen := m.gen
	ctx, cancel := context.WithCancel(m.ctx)
	m.asked[slot] = question{gen: gen, doing: doing, cancel: cancel}
	return m.background(func() tea.Msg {
		defer cancel()
		return answered{slot, gen, work(ctx)}
	})
}

// question is work that runs.
type question struct {
	gen    uint64
	doing  string
	cancel context.CancelFunc
}

// forget cancels what is asked in a slot.
func (m *model) forget(slot string) {
	if q, ok := m.asked[slot]; ok {
		q.cancel()
		delete(m.asked, slot)
	}
}

// answer applies what came back, unless it is late.
func (m *model) answer(a answered) tea.Cmd {
	q, ok := m.asked[a.slot]
	if !ok || q.gen != a.gen {
		return nil
	}
	delete(m.asked, a.slot)
	m.dirty = m.dirty || q.doing != ""
	if a.apply == nil {
		return nil
	}
	return a.apply(m)
}

// background counts a command among those that Run waits for, and turns its panic into the model's end.
func (m *model) background(work func() tea.Msg) tea.Cmd {
	return func() (msg tea.Msg) {
		if !m.crew.join() {
			return nil
		}
		defer m.crew.Done()
		defer func() {
			if r := recover(); r != nil {
				msg = crashed(r)
			}
		}()
		return work()
	}
}

// Crash is a panic of the dashboard, with where it happened. The terminal was restored, and the fleet
// does not know of it.
type Crash struct {
	Value any
	Stack []byte
}

func (c *Crash) Error() string { return fmt.Sprintf("draw the dashboard: %v", c.Value) }

func crashed(r any) *Crash { return &Crash{r, debug.Stack()} }

// why says in words what went wrong with a question to the source, and what to do about it where the error knows.
func why(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	text := err.Error()
	var hinted interface{ Advice() string }
	if errors.As(err, &hinted) && hinted.Advice() != "" {
		text += "; " + strings.ReplaceAll(hinted.Advice(), "`", "")
	}
	return plainText(text)
}

// crew counts background work, none of which outlives Run.
type crew struct {
	sync.WaitGroup
	mu   sync.Mutex
	over bool
}

// join reports whether work may still begin.
func (c *crew) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.Add(1)
	}
	return !c.over
}

// dismiss waits for what runs and lets nothing more begin.
func (c *crew) dismiss() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.Wait()
}
