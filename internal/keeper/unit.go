package keeper

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/output"
)

const (
	// sweepGrace is what is left of a tree gets, after its leader ended by itself, before it is killed.
	sweepGrace = 150 * time.Millisecond
	// drainTime is how long a pipe is read that somebody outside the tree holds open.
	drainTime = 50 * time.Millisecond
)

// unit is one run under care. Its fields belong to the goroutine of run.
type unit struct {
	spec  Spec
	line  *lifeline
	log   *output.Writer
	limit limit
	path  string // of the record

	rec    Record
	leader int
	ended  bool // the leader was reaped
	exit   Exit
	told   map[int]uint64 // who got the polite signal: pid to start time
	killed bool           // the time for being polite is over
	again  time.Duration  // until the next look after a kill

	pipes   []*os.File
	readers sync.WaitGroup
}

// run starts the unit and returns when nothing of it is left. The error says that it could not be started.
func (u *unit) run() error {
	signals := make(chan os.Signal, 16)
	// All that could end or stop a keeper is caught; ignoring would be inherited by the service.
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGPIPE, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	if err := u.start(); err != nil {
		return err
	}
	u.save()
	u.line.send(Message{Started: &u.rec})
	u.care(signals, children)
	u.finish()
	return nil
}

// start makes the process and reads what it prints.
func (u *unit) start() error {
	s := u.spec
	program, err := lookPath(s.Argv[0], s.Dir, s.Env)
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("open standard input: %w", err)
	}
	defer null.Close()
	stdout, err := u.pipe(output.Stdout)
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := u.pipe(output.Stderr)
	if err != nil {
		return err
	}
	defer stderr.Close()
	attr := &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Sys: &syscall.SysProcAttr{Setpgid: true}}
	attr.Files = []uintptr{null.Fd(), stdout.Fd(), stderr.Fd()}
	if s.User != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: s.User.UID, Gid: s.User.GID, Groups: s.User.Groups}
	}
	hit("before-start")
	u.rec = Record{Protocol: Protocol, Unit: s.Unit, Hash: s.Hash, Started: time.Now(), Restarts: s.Restarts, Grace: s.Grace}
	u.leader, err = u.limit.start(s, program, attr, u.remark)
	if err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	hit("after-start")
	u.rec.Keeper, _ = Self(os.Getpid())
	u.rec.Leader, _ = Self(u.leader)
	return nil
}

// pipe makes one of the unit's outputs and a reader of it, and returns the end for the unit.
func (u *unit) pipe(s output.Stream) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make output pipe: %w", err)
	}
	u.pipes = append(u.pipes, r)
	u.readers.Go(func() {
		var at time.Time
		output.Split(&hasty{f: r, at: &at}, func(text []byte, cut int) {
			u.log.AppendCut(at, s, text, cut)
		}, func() { u.log.Flush() })
	})
	return w, nil
}

// hasty reads a pipe, notes when, and makes it wider when its writer is fast.
type hasty struct {
	f    *os.File
	at   *time.Time
	wide bool
}

func (h *hasty) Read(b []byte) (int, error) {
	n, err := h.f.Read(b)
	*h.at = time.Now()
	if n == len(b) && !h.wide {
		h.wide = true
		if c, err := h.f.SyscallConn(); err == nil {
			c.Control(widen)
		}
	}
	return n, err
}

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
	u.killed = true
	u.again = min(max(2*u.again, 5*time.Millisecond), time.Second) // some cannot die while a device is stuck
	if len(left) > 100 {
		freeze(left)
		left = descendants(os.Getpid())
	}
	for _, p := range left {
		p.Identity().Send(unix.SIGKILL)
	}
	return time.After(u.again)
}

// freeze stops a crowd, so that it cannot grow faster than it is killed.
func freeze(crowd Table) {
	for _, p := range crowd {
		p.Identity().Send(unix.SIGSTOP)
	}
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

// finish writes down how it ended.
func (u *unit) finish() {
	for _, p := range u.pipes {
		p.SetReadDeadline(time.Now().Add(drainTime))
	}
	u.readers.Wait()
	if text := u.exit.text(); text != "" {
		u.log.Append(time.Now(), output.Note, []byte(text))
	}
	u.log.Close()
	hit("before-exit")
	u.rec.Exit = &u.exit
	u.save()
	u.line.send(Message{Ended: &u.rec})
	hit("after-exit")
}

// save writes the record. Where that fails the run goes on; it cannot be adopted.
func (u *unit) save() {
	if err := WriteRecord(u.path, u.rec); err != nil {
		u.line.send(Message{Notice: err.Error()})
	}
}

// remark puts a line of msctl's own into the unit's log.
func (u *unit) remark(text string) {
	u.log.Append(time.Now(), output.Note, []byte(text))
	u.log.Flush()
}

// text says in a few words how an unasked end came; it is empty for a clean or an asked one.
func (e Exit) text() string {
	switch {
	case e.Asked:
		return ""
	case e.OOM:
		return "ended by its memory limit"
	case e.Signal != "":
		return "ended by signal " + e.Signal
	case e.Code != 0:
		return fmt.Sprintf("exited with %d", e.Code)
	}
	return ""
}

// signalName returns "KILL" for SIGKILL.
func signalName(s unix.Signal) string {
	name := unix.SignalName(s)
	if len(name) > 3 {
		return name[3:]
	}
	return fmt.Sprint(int(s))
}
