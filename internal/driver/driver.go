// Package driver says how one thing is run: a Unit, fully resolved, and the Driver that runs it to its end.
package driver

import (
	"context"
	"errors"
	"io"
	"time"
)

// Unit is one thing to run, with nothing left to decide.
type Unit struct {
	Name   string   // unique in the stack: "orders", its second replica "orders-2", a server "postgres"
	Argv   []string // command, or arguments for the image
	Image  string   // "" means a process
	Dir    string   // absolute working folder (process), or folder inside the container ("" is the image's)
	Env    []string // complete, "KEY=value"; nothing is inherited
	Ports  []Port
	Mounts []Mount
	Tmpfs  []string // container: folders held in memory
	User   string   // container: user of the image; process: user name to run as when msctl is root ("" is the same)

	Signal string        // "" means TERM
	Grace  time.Duration // 0 means 10 s
	CPU    float64       // cores, 0 is no limit
	Memory int64         // bytes, 0 is no limit

	LogDir    string            // folder of the unit's log segments (package output)
	Ephemeral bool              // end with the supervisor, however it ends
	Labels    map[string]string // container: extra labels; a process: part of what makes two units equal
	Restarts  int               // so far; told again by Started when the run is adopted, else without effect

	// HostNetwork gives a container the host's network, so that it reaches what listens on 127.0.0.1 and
	// opens its Host ports itself; Inside is then ignored.
	HostNetwork bool
}

// Port is one port of a unit on 127.0.0.1.
type Port struct {
	Name   string // "http"
	Host   int    // on 127.0.0.1
	Inside int    // in the container; 0 for a process
}

// Mount puts a host folder or file, or a named volume, into a container.
type Mount struct {
	Source   string // absolute path, or a volume's name
	Target   string
	ReadOnly bool
}

// Started is what is known the moment a unit runs.
type Started struct {
	PID       int    // leader of the process tree, or the container's init on the host; 0 unknown
	Container string // id, "" for a process
	At        time.Time
	Adopted   bool   // it ran already and was taken over
	Restarts  int    // carried over on adoption
	After     uint64 // number of the last line in the unit's log that is not of this run; 0: all are
}

// Hooks are called from Run's goroutine, in order, and must not block. Each may be nil.
type Hooks struct {
	Started  func(Started)
	Stopping func()         // the polite signal was sent
	Killed   func(left int) // the grace was over and left processes were killed
	Notice   func(string)   // something the user should read: "log disk full, output is dropped"

	// Hurry, once closed, ends the grace of a stop under way: what is left is killed now. Nil is never.
	Hurry <-chan struct{}
}

// Exit is how a unit ended. The zero value is a clean exit.
type Exit struct {
	Code   int
	Signal string // "KILL" when a signal ended it
	OOM    bool   // the memory limit ended it
	Asked  bool   // it was stopped on request
	At     time.Time
}

// OK reports a clean exit.
func (e Exit) OK() bool { return e.Code == 0 && e.Signal == "" }

// Driver runs units of one sort.
//
// Run starts u, or adopts the running one when it has the same configuration, and blocks until its whole
// process tree or container is gone. Cancelling ctx stops it: the polite signal, the grace, then KILL for
// all that is left; with [ErrDetach] as the cause Run returns at once and leaves it running, and with
// [ErrKill] it is killed at once. The error says that it could not be started or was lost, not that it
// exited badly.
type Driver interface {
	Run(ctx context.Context, u Unit, h Hooks) (Exit, error)
}

// Causes for cancelling the context of [Driver.Run] that change what it does.
var (
	ErrDetach = errors.New("detach")
	ErrKill   = errors.New("kill now")
)

// Sampler is the optional power of a driver to measure what its running units use.
type Sampler interface {
	Sample(ctx context.Context, units []string) (map[string]Usage, error)
}

// Usage is what a unit uses, its whole tree added up.
type Usage struct {
	CPU       time.Duration // since its start
	Memory    int64         // bytes resident, what is shared counted once (process: close to PSS)
	Processes int
}

// Sweeper is the optional power to end everything of this stack without any state, by marker or label.
type Sweeper interface {
	// Sweep ends what carries the stack's marker and returns how much it found. volumes also removes data.
	Sweep(ctx context.Context, volumes bool) (int, error)
}

// Pruner is the optional power to end what an earlier supervisor left of units that are no more.
type Pruner interface {
	// Prune ends the units of this stack whose names are not in keep and returns how much it found.
	Prune(ctx context.Context, keep []string) (int, error)
}

// Executor is the optional power to run a command inside a running unit (a container).
type Executor interface {
	Exec(ctx context.Context, unit string, argv []string, stdio Stdio) (code int, err error)
}

// Stdio is what an executed command is connected to.
type Stdio struct {
	In       io.Reader // nil is empty
	Out, Err io.Writer
	TTY      bool
}
