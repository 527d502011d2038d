// Package state is what happened to the fleet (Event) and what is (Snapshot).
package state

import "time"

// Phase is where a unit stands in its life.
type Phase string

// The phases, in the order in which a healthy unit passes them.
const (
	Pending  Phase = "pending"  // waits for what it needs; see Unit.WaitsFor
	Building Phase = "building" // its program or image is being made
	Starting Phase = "starting" // runs, not ready yet
	Ready    Phase = "ready"
	Unready  Phase = "unready" // runs, was ready, its probe fails now
	Stopping Phase = "stopping"
	Stopped  Phase = "stopped" // on request
	Done     Phase = "done"    // a job that exited 0
	Failed   Phase = "failed"  // ended and is not tried again
	Looping  Phase = "crash-looping"
	Skipped  Phase = "skipped" // optional, and this machine cannot run it; see Unit.Reason
)

// Sort says what a unit is.
type Sort string

// The sorts of units.
const (
	Service  Sort = "service"
	Job      Sort = "job"
	Server   Sort = "server"   // a backing server: postgres, rabbitmq, …
	Resource Sort = "resource" // a database or virtual host on a server
)

// Unit is what is known of one unit now.
type Unit struct {
	Name      string    `json:"name"`
	Service   string    `json:"service"` // name in stack.yaml; differs from Name for replicas
	Sort      Sort      `json:"sort"`
	Replica   int       `json:"replica,omitempty"` // from 1
	Phase     Phase     `json:"phase"`
	Reason    string    `json:"reason,omitempty"`    // cause of the phase, one line
	WaitsFor  []string  `json:"waits_for,omitempty"` // names that are not ready yet
	Backing   string    `json:"backing,omitempty"`   // "go", "container postgres:17", "embedded nats"
	URL       string    `json:"url,omitempty"`       // the one to show, without password
	Ports     []Port    `json:"ports,omitempty"`
	PID       int       `json:"pid,omitempty"`
	Container string    `json:"container,omitempty"`
	Started   time.Time `json:"started,omitzero"`
	ReadyAt   time.Time `json:"ready_at,omitzero"`
	Restarts  int       `json:"restarts"`
	NextTry   time.Time `json:"next_try,omitzero"`    // crash-looping: when it is started again
	Exit      *Exit     `json:"exit,omitempty"`       // of the last run
	LastLines []string  `json:"last_lines,omitempty"` // of output, when it failed
	CPU       float64   `json:"cpu"`                  // cores used over the last sample
	Memory    int64     `json:"memory"`               // bytes
}

// Port is one open port.
type Port struct {
	Name string `json:"name"`
	Addr string `json:"addr"` // 127.0.0.1:8080
}

// Exit is how a run ended.
type Exit struct {
	Code   int       `json:"code"`
	Signal string    `json:"signal,omitempty"`
	OOM    bool      `json:"oom,omitempty"`
	At     time.Time `json:"at"`
}

// Snapshot is the whole fleet at one moment: immutable, shared freely.
type Snapshot struct {
	Seq      uint64    `json:"seq"` // of the last event applied
	Time     time.Time `json:"time"`
	Stack    string    `json:"stack"`
	Dir      string    `json:"dir"`
	Runtime  string    `json:"runtime"` // auto, container, native or embedded
	PID      int       `json:"pid"`     // of the supervisor
	Stopping bool      `json:"stopping,omitempty"`
	Receiver *Receiver `json:"receiver,omitempty"` // of telemetry; nil: it is off
	Units    []Unit    `json:"units"`              // resources and servers first, then services, in file order
}

// Receiver is where telemetry is sent to and asked for.
type Receiver struct {
	HTTP string `json:"http"` // "http://127.0.0.1:4318": OTLP, Jaeger's query API and /metrics
	GRPC string `json:"grpc"` // "127.0.0.1:4317": OTLP
}

// Unit returns the unit of that name, or false.
func (s Snapshot) Unit(name string) (Unit, bool) {
	for _, u := range s.Units {
		if u.Name == name {
			return u, true
		}
	}
	return Unit{}, false
}

// Event is one fact. Unit carries the whole new state of the unit it is about, so that applying an
// event twice changes nothing.
type Event struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	Text string    `json:"text"`           // one line for people: "orders exited with 1, next try in 2s"
	Unit *Unit     `json:"unit,omitempty"` // new state; nil for facts about the whole fleet
	Edge string    `json:"edge,omitempty"` // "orders:payments": which edge a fault is about

	// Snapshot is the whole state after this event where more than one unit changed at once:
	// stopping, reloaded, and what a reader that fell behind continues from.
	Snapshot *Snapshot `json:"snapshot,omitempty"`
}

// Kind sorts events; keys are only ever added.
type Kind string

// The kinds of events.
const (
	KindFleet   Kind = "fleet" // the fleet itself: starting, up, stopping, reloaded
	KindPhase   Kind = "phase" // a unit changed its phase
	KindRestart Kind = "restart"
	KindUsage   Kind = "usage"  // CPU and memory were sampled
	KindBuild   Kind = "build"  // a build began, ended or broke
	KindNotice  Kind = "notice" // something the user should read
	KindFault   Kind = "fault"  // a fault was put on an edge, or lifted
	KindGone    Kind = "gone"   // a unit was removed from the fleet
	KindGap     Kind = "gap"    // events were dropped for this reader; Snapshot is where it goes on
)

// Environment is what a one-off command of a unit is run with. It holds secrets: it is never logged.
type Environment struct {
	Dir       string   `json:"dir"`
	Env       []string `json:"env"`                 // complete, "KEY=value"
	Container string   `json:"container,omitempty"` // id to run inside; "" is a process on this machine
	Hidden    []string `json:"hidden,omitempty"`    // every value of the fleet that must be masked where it is shown
}
