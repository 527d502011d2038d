package process

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/keeper"
)

// below returns the living processes of a tree, its keeper apart, or none where the keeper has ended.
func below(id keeper.Identity) keeper.Table {
	all, err := keeper.Processes()
	if err != nil || !id.Alive() {
		return nil
	}
	return all.Tree(id.PID)
}

func pids(t keeper.Table) []int {
	out := make([]int, len(t))
	for i, p := range t {
		out[i] = p.PID
	}
	return out
}

// halt stops a tree: again and again until it has no member that runs.
func halt(id keeper.Identity) error {
	stopped := map[keeper.Identity]bool{}
	for range 100 {
		fresh := false
		for _, p := range below(id) {
			if one := p.Identity(); !stopped[one] {
				stopped[one], fresh = true, true
				if err := one.Send(unix.SIGSTOP); err != nil && err != unix.ESRCH {
					return err
				}
			}
		}
		if !fresh {
			return nil
		}
	}
	return fmt.Errorf("pause: it makes processes faster than they are stopped")
}

// Of the rationing of CPU, and of the look at memory.
const (
	rationEvery = 20 * time.Millisecond
	savings     = 100 * time.Millisecond // of CPU time that was not used
	weighEvery  = 200 * time.Millisecond
)

// pause notes that a tree is to stay stopped, whatever else ends that stops it too.
func (d *Driver) pause(id keeper.Identity) {
	d.pausing.Lock()
	defer d.pausing.Unlock()
	if d.paused == nil {
		d.paused = map[keeper.Identity]bool{}
	}
	d.paused[id] = true
}

func (d *Driver) unpause(id keeper.Identity) {
	d.pausing.Lock()
	defer d.pausing.Unlock()
	delete(d.paused, id)
}

// proceed continues processes of a tree, unless a pause wants it stopped: the end of that continues all.
func (d *Driver) proceed(id keeper.Identity, resume func() error) error {
	d.pausing.Lock()
	defer d.pausing.Unlock()
	if d.paused[id] {
		return nil
	}
	return resume()
}

// ration lets a tree use so many cores on average: it is stopped while it has used more, and continued at
// the end.
func (d *Driver) ration(id keeper.Identity, cores float64, done <-chan struct{}) {
	tick := time.NewTicker(rationEvery)
	defer tick.Stop()
	stopped := map[keeper.Identity]bool{}
	proceed := func() { _ = d.proceed(id, func() error { resume(stopped); return nil }) }
	defer proceed()
	used, at := consumed(id), time.Now()
	var credit time.Duration
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if !id.Alive() {
			return
		}
		now, since := consumed(id), time.Now()
		credit = min(credit+time.Duration(cores*float64(since.Sub(at))), savings) - max(0, now-used)
		used, at = now, since
		if credit >= 0 {
			proceed()
			continue
		}
		for _, p := range below(id) {
			if one := p.Identity(); !stopped[one] && one.Send(unix.SIGSTOP) == nil {
				stopped[one] = true
			}
		}
	}
}

// resume continues what was stopped.
func resume(stopped map[keeper.Identity]bool) {
	for one := range stopped {
		_ = one.Send(unix.SIGCONT) // it has ended
		delete(stopped, one)
	}
}

// consumed is the CPU time of a tree, with what ended in it.
func consumed(id keeper.Identity) time.Duration {
	all, err := keeper.Processes()
	if err != nil {
		return 0
	}
	trees := all.Trees()
	total := trees.Of(id.PID).ReapedCPU
	for _, p := range trees.Below(id.PID) {
		total += p.CPU + p.ReapedCPU
	}
	return total
}

// confine kills a tree when it uses more memory than that.
func confine(id keeper.Identity, most int64, done <-chan struct{}) {
	tick := time.NewTicker(weighEvery)
	defer tick.Stop()
	for id.Alive() {
		if all, err := keeper.Processes(); err == nil && usage(all.Trees(), id.PID).Memory > most {
			for _, p := range below(id) {
				_ = p.Identity().Send(unix.SIGKILL)
			}
		}
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// loop is an upset that this process keeps up.
type loop struct {
	unit string
	done chan struct{} // closed to end it
	over chan struct{} // closed when it has ended
}

// repeat keeps an upset up until cease.
func (d *Driver) repeat(key, unit string, do func(done <-chan struct{})) {
	d.cease(func(other, _ string) bool { return other == key })
	l := loop{unit, make(chan struct{}), make(chan struct{})}
	d.mu.Lock()
	if d.loops == nil {
		d.loops = map[string]loop{}
	}
	d.loops[key] = l
	d.mu.Unlock()
	go func() { defer close(l.over); do(l.done) }()
}

// cease ends loops and returns when they have put everything back.
func (d *Driver) cease(which func(key, unit string) bool) {
	d.mu.Lock()
	var ending []loop
	for key, l := range d.loops {
		if which(key, l.unit) {
			ending = append(ending, l)
			delete(d.loops, key)
		}
	}
	d.mu.Unlock()
	for _, l := range ending {
		close(l.done)
	}
	for _, l := range ending {
		<-l.over
	}
}
