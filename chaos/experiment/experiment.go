// Package experiment runs experiments: a fleet that is in its steady state is given work and faults, is looked
// at meanwhile, and must come back to its steady state. Whatever happens, the faults are lifted.
package experiment

import (
	"time"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// Experiment is one file that was read. It is read-only.
type Experiment struct {
	Pos         stack.Pos
	Title       string
	Description string
	Tags        []string
	Flag        string        // the feature flag that switches the pattern off which this is about; ""
	Seed        uint64        // of the coins of its faults; 0: drawn for each run, and told in the journal
	Limit       time.Duration // bounds everything but rollback and what comes after it; 0 means 2 minutes
	Apart       []string      // services that no experiment beside this one may touch, apart from those it names

	Setup    []Step  // done first, one after the other
	Workload []Load  // begun together, when the fleet was found steady
	Before   []Probe // must hold before
	During   []Probe // must hold while workload and faults act
	After    []Probe // must come to hold behind
	Faults   []Step  // done at their times
	Abort    []Probe // end the experiment at once where one stops holding
	Method   []turn  // of Chaos Toolkit: done one after the other, beside the faults
	Early    bool    // After is looked at once and before the rollback, as Chaos Toolkit does
	Rollback []Step  // done at last, after the inverse of every fault
}

// Step is one thing that is done.
type Step struct {
	Pos  stack.Pos
	Name string
	At   time.Duration // after the begin of the workload
	For  time.Duration // until its inverse is done; 0: until the end
	Kind string        // a row of [Actions]; "" of Chaos Toolkit
	Act  Action
}

// Probe is one look at the fleet.
type Probe struct {
	Pos      stack.Pos
	Name     string
	Kind     string // a row of [Kinds]
	Look     Look
	Every    time.Duration // between two looks, of those during and abort; 0 means half a second
	Within   time.Duration // how long it may take to come to hold; 0 means 10 s after, and at once before
	Stays    time.Duration // after: how long it must keep holding once it does
	From     time.Duration // during: not looked at before
	To       time.Duration // during: not looked at behind; 0: until the workload and the faults are over
	Tolerate int           // during: looks that may fail
}

// Bounds of what an experiment may ask for.
const (
	limitUsual  = 2 * time.Minute
	limitMost   = time.Hour
	withinUsual = 10 * time.Second
	everyUsual  = 500 * time.Millisecond
	everyLeast  = 20 * time.Millisecond
	timeoutLook = 5 * time.Second
)

// Faulted returns the faults of the experiment as they are written.
func (e *Experiment) Faulted() (all []state.Fault) {
	for _, s := range e.steps() {
		if f, ok := s.Act.(*faults); ok {
			all = append(all, f.list...)
		}
	}
	return all
}

// number tells each step which coins its faults have. They go by the file: the times at which steps act are not the
// same in every run.
func (e *Experiment) number() {
	coin := uint64(0)
	for _, s := range e.steps() {
		f, ok := s.Act.(*faults)
		if !ok {
			continue
		}
		f.coin = coin
		for _, one := range f.list {
			if one.Seed == 0 {
				coin++
			}
		}
	}
}

func (e *Experiment) limit() time.Duration {
	if e.Limit > 0 {
		return e.Limit
	}
	return limitUsual
}

// probes are all that look, in the order of the file's phases.
func (e *Experiment) probes() (all []*Probe) {
	for _, list := range [][]Probe{e.Before, e.During, e.Abort, e.After} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	for i := range e.Method {
		if p := e.Method[i].probe; p != nil {
			all = append(all, p)
		}
	}
	return all
}

// steps are all that act.
func (e *Experiment) steps() (all []*Step) {
	for _, list := range [][]Step{e.Setup, e.Faults, e.Rollback} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	for i := range e.Method {
		if st := e.Method[i].step; st != nil {
			all = append(all, st)
		}
	}
	return all
}
