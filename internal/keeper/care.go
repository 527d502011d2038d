package keeper

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sweepGrace is what is left of a tree gets, after its leader ended by itself, before it is killed.
const sweepGrace = 150 * time.Millisecond

// care waits for the tree to become empty, and helps it when that is asked for or the leader ended.
func (u *unit) care(signals, children <-chan os.Signal) {
	lost := u.line.lost
	if !u.spec.Ephemeral {
		lost = nil
	}
	var deadline <-chan time.Time // the next look at what is left
	for !u.empty() {
		select {
		case <-u.tick():
		case s := <-signals:
			deadline = u.obey(s, deadline)
		case <-lost:
			lost = nil
			deadline = u.stop(deadline)
		case <-children:
			if u.reap() {
				deadline = u.orphans(deadline)
			}
		case <-deadline:
			deadline = u.kill()
		case <-u.resave:
			u.save()
		case <-u.limit.exceeded:
			u.exit.OOM = true
			u.remark("its processes use more memory than its limit")
			deadline = u.kill()
		}
	}
}

// obey does what a signal from a supervisor asks for and returns the new deadline.
func (u *unit) obey(s os.Signal, deadline <-chan time.Time) <-chan time.Time {
	switch s {
	case unix.SIGTERM:
		return u.stop(deadline)
	case unix.SIGINT, unix.SIGUSR1:
		u.exit.Asked = true
		return u.kill()
	case unix.SIGUSR2:
		u.save()
	}
	return deadline
}

// stop begins the polite end, once.
func (u *unit) stop(deadline <-chan time.Time) <-chan time.Time {
	if u.exit.Asked || u.ended {
		return deadline
	}
	u.exit.Asked = true
	u.polite(u.spec.Signal)
	return time.After(u.spec.Grace)
}

// orphans deals with what the leader left behind: it has the rest of the grace where the end was asked
// for, and next to no time otherwise, since a restart waits for it.
func (u *unit) orphans(deadline <-chan time.Time) <-chan time.Time {
	if u.exit.Asked {
		if !u.killed {
			u.polite(u.spec.Signal)
		}
		return deadline
	}
	u.polite(unix.SIGTERM)
	return time.After(sweepGrace)
}

// tick is when to look again at a tree whose orphans end without a word to this process.
func (u *unit) tick() <-chan time.Time {
	if orphansAreOurs || !u.ended {
		return nil
	}
	return time.After(20 * time.Millisecond)
}

// polite signals whoever was not signalled yet, and wakes those that are stopped so that they can answer.
func (u *unit) polite(sig unix.Signal) {
	if u.told == nil {
		u.told = map[int]uint64{}
	}
	for _, p := range descendants(os.Getpid()) {
		if u.told[p.PID] != p.Start {
			u.told[p.PID] = p.Start
			p.Identity().Send(sig)
			p.Identity().Send(unix.SIGCONT)
		}
	}
}

// kill kills what is left and returns when to look again: a process may be making others meanwhile.
func (u *unit) kill() <-chan time.Time {
	left := descendants(os.Getpid())
	if !u.killed && u.exit.Asked && len(left) > 0 {
		u.exit.Killed = len(left)
		u.line.send(Message{Killed: len(left)})
	}
	if u.killed || len(left) > 100 {
		left = freeze(left)
	}
	u.killed = true
	u.again = min(max(2*u.again, 5*time.Millisecond), time.Second) // some cannot die while a device is stuck
	for _, p := range left {
		p.Identity().Send(unix.SIGKILL)
	}
	return time.After(u.again)
}

// freeze stops a crowd until it has no new members, and returns it: it can no longer grow faster than it is
// killed.
func freeze(crowd Table) Table {
	stopped := map[Identity]bool{}
	for range 50 {
		grown := false
		for _, p := range crowd {
			if id := p.Identity(); !stopped[id] {
				stopped[id], grown = true, true
				id.Send(unix.SIGSTOP)
			}
		}
		if !grown {
			break
		}
		crowd = descendants(os.Getpid())
	}
	return crowd
}

// reap collects the dead and reports whether the leader is among them.
func (u *unit) reap() (leader bool) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if pid <= 0 {
			return leader
		}
		if pid == u.leader && !u.ended {
			u.note(ws)
			leader = true
		}
	}
}

// note keeps how the leader ended.
func (u *unit) note(ws unix.WaitStatus) {
	u.ended = true
	u.exit.At = time.Now()
	if ws.Signaled() {
		u.exit.Signal = signalName(ws.Signal())
		u.exit.OOM = u.exit.OOM || (ws.Signal() == unix.SIGKILL && u.limit.hit())
		return
	}
	u.exit.Code = ws.ExitStatus()
}

// empty reports whether nothing of the tree is left.
func (u *unit) empty() bool {
	if !u.ended {
		return false
	}
	var info unix.WaitStatus
	for {
		pid, err := unix.Wait4(-1, &info, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR || pid > 0:
		case err == unix.ECHILD:
			return orphansAreOurs || len(descendants(os.Getpid())) == 0
		default:
			return false
		}
	}
}
