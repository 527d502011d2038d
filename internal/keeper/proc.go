package keeper

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// Identity names one process for ever: a pid alone is used again by another program.
type Identity struct {
	PID   int
	Start uint64 // ticks or microseconds, as the system counts
	Boot  string
}

// Process is one line of the process table.
type Process struct {
	PID, Parent, Group int
	Start              uint64
	Zombie             bool
	CPU                time.Duration // of the process itself
	ReapedCPU          time.Duration // of its children that ended
	Name               string        // of the program, cut by the system
}

// Identity returns who p is, for this boot.
func (p Process) Identity() Identity { return Identity{PID: p.PID, Start: p.Start, Boot: bootID()} }

// Self returns the identity of this process.
func Self(pid int) (Identity, error) {
	p, err := Inspect(pid)
	return p.Identity(), err
}

// Environ returns the environment of p. While a young process changes from one program to another it
// seems to have none: then it is asked again, a few times.
func (p Process) Environ() Environ {
	env, err := environ(p.PID)
	for i := 0; i < 50 && err == nil && len(env) == 0 && p.young(); i++ {
		time.Sleep(time.Millisecond)
		if now, err := Inspect(p.PID); err != nil || now.Start != p.Start {
			return nil
		}
		env, err = environ(p.PID)
	}
	return env
}

// Alive reports whether that very process runs.
func (id Identity) Alive() bool {
	if id.PID <= 0 || id.Boot != bootID() {
		return false
	}
	p, err := Inspect(id.PID)
	return err == nil && p.Start == id.Start && !p.Zombie
}

// Table is the process table at one moment.
type Table []Process

// Tree returns the processes below root, without root itself and without the dead.
func (t Table) Tree(root int) Table { return t.Trees().Below(root) }

// Trees is a process table arranged by parents.
type Trees struct {
	at       map[int]Process
	children map[int]Table
}

// Trees arranges the table.
func (t Table) Trees() Trees {
	ts := Trees{at: make(map[int]Process, len(t)), children: make(map[int]Table, len(t))}
	for _, p := range t {
		ts.at[p.PID] = p
		if p.PID != p.Parent {
			ts.children[p.Parent] = append(ts.children[p.Parent], p)
		}
	}
	return ts
}

// Of returns the process of that number, or the zero Process.
func (ts Trees) Of(pid int) Process { return ts.at[pid] }

// Below returns the living processes below root.
func (ts Trees) Below(root int) Table {
	var out Table
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, p := range ts.children[queue[0]] {
			queue = append(queue, p.PID)
			if !p.Zombie {
				out = append(out, p)
			}
		}
	}
	return out
}

// Environ is the environment of a process, as the system keeps it: it says what the process was started
// with.
type Environ []byte

// Lookup returns the value of a variable.
func (e Environ) Lookup(name string) (string, bool) {
	prefix := []byte(name + "=")
	for v := range bytes.SplitSeq(e, []byte{0}) {
		if value, ok := bytes.CutPrefix(v, prefix); ok {
			return string(value), true
		}
	}
	return "", false
}

// WithMarkers returns env with the markers of the stack and unit, in place of any that it had.
func WithMarkers(env []string, stack, unit string) []string {
	out := slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == EnvStack || name == EnvUnit || name == EnvKeeper
	})
	return append(out, EnvStack+"="+stack, EnvUnit+"="+unit)
}
