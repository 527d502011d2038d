package cli

import (
	"context"
	"slices"
	"sync"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// maxFacts is how much of what happened is remembered for `why`.
const maxFacts = 4096

// facts is what happened to a fleet, as far as it may explain slow or failed calls.
type facts struct {
	mu   sync.Mutex
	list []telemetry.Fact
}

// all returns what is remembered, oldest first.
func (f *facts) all() []telemetry.Fact {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

// follow takes note of what happens until ctx ends.
func (f *facts) follow(ctx context.Context, from interface {
	Follow(ctx context.Context, after uint64) <-chan state.Event
}) {
	for e := range from.Follow(ctx, 0) {
		if fact, ok := factOf(e); ok {
			f.add(fact)
		}
	}
}

func (f *facts) add(fact telemetry.Fact) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) == maxFacts {
		f.list = slices.Delete(f.list, 0, maxFacts/4)
	}
	f.list = append(f.list, fact)
}

// factOf says what an event has to do with calls, if anything.
func factOf(e state.Event) (telemetry.Fact, bool) {
	fact := telemetry.Fact{Time: e.Time, Text: e.Text, Subject: e.Edge}
	if e.Unit != nil {
		fact.Subject = e.Unit.Service
	}
	switch e.Kind {
	case state.KindFault, state.KindRestart:
		return fact, true
	case state.KindPhase:
		return fact, e.Unit != nil && slices.Contains(telling, e.Unit.Phase)
	}
	return fact, false
}

// telling are the phases that change how a unit answers.
var telling = []state.Phase{state.Starting, state.Ready, state.Unready, state.Stopping, state.Stopped, state.Failed, state.Looping}
