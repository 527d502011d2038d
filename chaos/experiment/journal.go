package experiment

import (
	"runtime"
	"time"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// Verdict is how an experiment ended.
type Verdict string

// The verdicts.
const (
	Held        Verdict = "held"
	Deviated    Verdict = "deviated"
	Unsteady    Verdict = "unsteady"      // no steady state before: nothing was done
	Broken      Verdict = "could not run" // a fault, a step or a probe
	Stuck       Verdict = "rollback failed"
	Interrupted Verdict = "interrupted"
)

// Code is the exit code of a verdict.
func (v Verdict) Code() int {
	switch v {
	case Held:
		return 0
	case Deviated:
		return 1
	case Unsteady:
		return 3
	case Broken:
		return 4
	case Stuck:
		return 5
	}
	return 130
}

// Journal is all that a run showed. Its JSON holds what Chaos Toolkit's journal holds, and more.
type Journal struct {
	Version  string    `json:"chaoslib-version"` // of the form; what Chaos Toolkit's reports ask for
	Platform string    `json:"platform"`
	Node     string    `json:"node"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Duration float64   `json:"duration"` // seconds
	Status   string    `json:"status"`   // completed, failed, aborted, interrupted
	Deviated bool      `json:"deviated"`

	Experiment Described  `json:"experiment"`
	Steady     Steady     `json:"steady_states"`
	Run        []Activity `json:"run"`
	Rollbacks  []Activity `json:"rollbacks"`

	Verdict Verdict          `json:"verdict"`
	Exit    int              `json:"exit"`
	Reason  string           `json:"reason,omitempty"` // of the verdict, one line
	ID      string           `json:"id"`               // of the run, unique; ${run}
	Begun   time.Time        `json:"begun,omitzero"`   // of workload and faults
	Probes  []Seen           `json:"probes"`
	Faults  []Acted          `json:"faults"`
	Loads   []Tally          `json:"workload"`
	Edges   []Line           `json:"edges"`           // what went over those that matter
	Trace   *telemetry.Trace `json:"trace,omitempty"` // the first that failed
	Told    []Event          `json:"events"`
}

// Described is the experiment as Chaos Toolkit writes it.
type Described struct {
	File        string   `json:"file"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Tags        []string `json:"tags,omitempty"`
	Flag        string   `json:"flag,omitempty"`
	Seed        uint64   `json:"seed,omitempty"`
}

// Steady are the steady states as Chaos Toolkit has them.
type Steady struct {
	Before *State  `json:"before"`
	After  *State  `json:"after"`
	During []State `json:"during"`
}

// State is whether a steady state was met.
type State struct {
	Met    bool       `json:"steady_state_met"`
	Probes []Activity `json:"probes"`
}

// Activity is one thing that was done or looked at.
type Activity struct {
	Activity Named     `json:"activity"`
	Status   string    `json:"status"` // succeeded, failed
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Duration float64   `json:"duration"`
	Output   any       `json:"output"`
	Met      *bool     `json:"tolerance_met,omitempty"`
	Error    string    `json:"exception,omitempty"`
}

// Named is what an activity is called.
type Named struct {
	Type       string `json:"type"` // probe or action
	Name       string `json:"name"`
	Background bool   `json:"background,omitempty"`
}

// Seen is what a probe saw over the whole run.
type Seen struct {
	Phase  string        `json:"phase"` // before, during, after, abort
	Name   string        `json:"name"`
	Kind   string        `json:"kind"`
	Place  string        `json:"place"` // in the file
	Held   bool          `json:"held"`
	Looks  int           `json:"looks"`
	Failed int           `json:"failed"` // looks
	Value  string        `json:"value"`  // the last, or the first that failed
	Why    string        `json:"why,omitempty"`
	Error  string        `json:"error,omitempty"` // it could not be looked at
	At     time.Duration `json:"at"`              // of Value, after the begin
	Took   time.Duration `json:"took"`            // until it held, or was given up
	Traces []string      `json:"traces,omitempty"`
}

// Acted is a step at its time.
type Acted struct {
	Name   string        `json:"name"`
	Edges  []string      `json:"edges,omitempty"` // that a fault is on
	From   time.Duration `json:"from"`            // after the begin
	To     time.Duration `json:"to"`
	Faults []state.Fault `json:"faults,omitempty"`
	Error  string        `json:"error,omitempty"`

	// EndedBy is what undid it: "its time", "the rollback", or the name of the action that lifted it before. "" is that
	// there was nothing to undo, or that it could not be.
	EndedBy string `json:"ended_by,omitempty"`

	step *Step
}

// Line is what went over one edge in the course of a run.
type Line struct {
	Edge   string  `json:"edge"`
	Points []Point `json:"points"`
}

// Point is one moment of an edge.
type Point struct {
	At     time.Duration `json:"at"` // after the begin
	Rate   float64       `json:"rate"`
	Errors float64       `json:"errors"` // per second
	P95    time.Duration `json:"p95"`    // of the last ten seconds
}

// Event is one line of the run's story.
type Event struct {
	At    time.Duration `json:"at"` // after the run's start
	Sort  string        `json:"sort"`
	Text  string        `json:"text"`
	Fails bool          `json:"fails,omitempty"`
}

// form is the version of Chaos Toolkit whose journal this one is like.
const form = "1.42.0"

func newJournal(e *Experiment, w *world) *Journal {
	return &Journal{Version: form, Platform: runtime.GOOS + "/" + runtime.GOARCH, Node: "msctl", Start: time.Now(), ID: w.run,
		Experiment: Described{e.Pos.File, e.Title, e.Description, e.Tags, e.Flag, e.Seed},
		Steady:     Steady{During: []State{}}, Run: []Activity{}, Rollbacks: []Activity{}, Probes: []Seen{}, Faults: []Acted{},
		Loads: []Tally{}, Edges: []Line{}, Told: []Event{}}
}

// finish fills in what follows from the rest.
func (j *Journal) finish() {
	j.End = time.Now()
	j.Duration = j.End.Sub(j.Start).Seconds()
	j.Exit, j.Deviated = j.Verdict.Code(), j.Verdict == Deviated
	switch j.Verdict {
	case Held, Deviated:
		j.Status = "completed"
	case Interrupted:
		j.Status = "interrupted"
	case Stuck:
		j.Status = "aborted"
	default:
		j.Status = "failed"
	}
}
