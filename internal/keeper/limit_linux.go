package keeper

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// limit bounds what a unit uses: by control groups where this process may make them, else memory by
// looking at the tree now and then.
type limit struct {
	exceeded chan struct{} // gets a value when the tree was seen above its memory; nil where a group bounds it
	group    *cgroup
	stop     chan struct{}
}

const watchEvery = 200 * time.Millisecond

// start makes the unit's process within its limits and returns its pid. What cannot be bounded is said by
// remark, and the unit runs all the same.
func (l *limit) start(s Spec, program string, attr *syscall.ProcAttr, remark func(string)) (int, error) {
	fork := func() (int, error) { return syscall.ForkExec(program, s.Argv, attr) }
	if s.Memory <= 0 && s.CPU <= 0 {
		return fork()
	}
	g, err := newGroup(s)
	if err != nil {
		remark(unbounded(s, err))
		l.watch(s.Memory)
		return fork()
	}
	l.group = g
	return g.start(attr, fork)
}

func unbounded(s Spec, cause error) string {
	text := fmt.Sprintf("no control group: %v", cause)
	if s.CPU > 0 {
		text += "; the limit of CPU is not enforced"
	}
	if s.Memory > 0 {
		text += fmt.Sprintf("; memory is looked at every %v instead", watchEvery)
	}
	return text
}

// watch looks at the memory of the tree until close.
func (l *limit) watch(most int64) {
	if most <= 0 {
		return
	}
	l.exceeded, l.stop = make(chan struct{}, 1), make(chan struct{})
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for treeMemory() <= most {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
		}
		l.exceeded <- struct{}{}
	}()
}

func treeMemory() (n int64) {
	var most int64
	for _, p := range descendants(os.Getpid()) {
		private, shared := Memory(p.PID)
		n += private
		most = max(most, shared)
	}
	return n + most
}

// hit reports whether the kernel killed something because of the memory limit.
func (l *limit) hit() bool { return l.group != nil && l.group.killed() }

// close ends the watching and removes the group. The tree is empty.
func (l *limit) close() {
	if l.stop != nil {
		close(l.stop)
	}
	if l.group != nil {
		l.group.remove()
	}
}
