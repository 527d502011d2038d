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

// drainTime is how long a pipe is read that somebody outside the tree holds open.
const drainTime = 50 * time.Millisecond

// unit is one run under care. Its fields belong to the goroutine of run.
type unit struct {
	spec  Spec
	line  *lifeline
	log   *output.Writer
	limit limit
	path  string // of the record

	rec    Record
	resave <-chan time.Time // when the record, which could not be written, is written again; nil: it is there
	upset  bool             // the user was told that it cannot be written
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
	u.rec.After = u.log.Last()
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
	if WriteRecord(u.path, u.rec) != nil {
		time.Sleep(drainTime)
		_ = WriteRecord(u.path, u.rec) // a supervisor that is there hears it anyway
	}
	u.line.send(Message{Ended: &u.rec})
	hit("after-exit")
}

// resaveEvery is when a record that could not be written is tried again.
const resaveEvery = time.Second

// save writes the record. Where that fails the run goes on, and it is tried again; at the second failure in
// a row the user is told, once until it works again.
func (u *unit) save() {
	err := WriteRecord(u.path, u.rec)
	if err == nil {
		u.resave, u.upset = nil, false
		return
	}
	if u.resave != nil && !u.upset {
		u.upset = true
		u.line.send(Message{Notice: err.Error()})
	}
	u.resave = time.After(resaveEvery)
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
