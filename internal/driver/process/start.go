package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/failpoint"
	"msctl.dev/msctl/internal/keeper"
)

// startTime is how long a keeper may take to say anything on a machine that is very busy.
const startTime = 30 * time.Second

// start runs a keeper with spec and waits until the unit runs. It returns errBusy where another has it.
func (d *Driver) start(ctx context.Context, spec keeper.Spec, h driver.Hooks) (*run, error) {
	if err := d.clear(ctx, spec.Unit); err != nil {
		return nil, err
	}
	r, err := d.spawn(spec)
	if err != nil {
		return nil, err
	}
	limit := time.NewTimer(startTime)
	defer limit.Stop()
	for {
		select {
		case m, ok := <-r.messages:
			switch {
			case !ok:
				return nil, r.stillborn()
			case m.Failed != "":
				r.await()
				r.close()
				return nil, &unborn{m.Failed, m.Short}
			case m.Started != nil:
				r.rec = *m.Started
				return r, nil
			}
			r.hear(m, h)
		case <-limit.C:
			unix.Kill(r.id.PID, unix.SIGKILL) // our child, not reaped yet: the pid is its own
			r.await()
			r.close()
			return nil, fmt.Errorf("the keeper said nothing for %v", startTime)
		}
	}
}

// unborn is why a keeper could not start its unit.
type unborn struct {
	text  string
	short bool // see [keeper.Short]
}

func (u *unborn) Error() string { return u.text }

// short reports a start that may work at the next try.
func short(err error) bool {
	var u *unborn
	if errors.As(err, &u) {
		return u.short
	}
	return keeper.Short(err)
}

// stillborn waits for a keeper that closed its socket without a word.
func (r *run) stillborn() error {
	code := r.await()
	r.close()
	if code == keeper.ExitBusy {
		return errBusy
	}
	return fmt.Errorf("the keeper ended with %d", code)
}

// spawn starts a keeper in a session of its own and feeds it spec.
func (d *Driver) spawn(spec keeper.Spec) (*run, error) {
	body, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	fds, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("make lifeline: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "lifeline")
	defer theirs.Close()
	conn, err := conn(fds[0])
	if err != nil {
		return nil, fmt.Errorf("make lifeline: %w", err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer in.Close()
	r := &run{d: d, spec: spec, conn: conn, child: true, messages: make(chan keeper.Message, 16), leave: make(chan struct{})}
	err = r.exec(d.keeperArgv(spec.Unit), d.keeperEnv(spec), in, theirs)
	if err != nil {
		out.Close()
		conn.Close()
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	r.tasks.Go(func() {
		out.Write(body) // a keeper that does not read says so by its end
		out.Close()
	})
	r.tasks.Go(r.listen)
	return r, nil
}

// exec makes the keeper's process, with its specification on in and the lifeline after the standard files.
func (r *run) exec(argv, env []string, in, lifeline *os.File) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	pid, err := fork(argv, env, []uintptr{in.Fd(), null.Fd(), null.Fd(), lifeline.Fd()})
	if err != nil {
		return err
	}
	failpoint.Hit("keeper-forked")
	if r.id, err = keeper.Self(pid); err == nil {
		r.end, err = watch(r.id)
	}
	if err != nil {
		unix.Kill(pid, unix.SIGKILL)
		r.id.PID = pid
		r.reap()
	}
	return err
}

// await waits for the end of the keeper, a child, and returns its exit code.
func (r *run) await() int {
	r.end.wait()
	return r.reap()
}

// reap collects the keeper where it is a child, and returns its exit code. It has ended.
func (r *run) reap() int {
	if !r.child {
		return 0
	}
	r.child = false
	for {
		var ws unix.WaitStatus
		_, err := unix.Wait4(r.id.PID, &ws, 0, nil)
		if err != unix.EINTR {
			return ws.ExitStatus()
		}
	}
}

func (d *Driver) keeperArgv(unit string) []string {
	return append(append([]string{}, d.Keeper...), unit)
}

// keeperEnv is the small environment of the keeper itself: the unit's own comes with its specification.
func (d *Driver) keeperEnv(spec keeper.Spec) []string {
	env := keeper.WithMarkers(nil, d.Stack, spec.Unit)
	return append(env, keeper.EnvKeeper+"="+spec.Grace.String(), "GOMAXPROCS=2")
}

func conn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "lifeline")
	defer f.Close()
	return net.FileConn(f)
}

// listen reads what the keeper says until its end of the socket is closed.
func (r *run) listen() {
	defer close(r.messages)
	lines := bufio.NewReader(r.conn)
	for {
		text, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		var m keeper.Message
		if json.NewDecoder(strings.NewReader(text)).Decode(&m) != nil {
			continue
		}
		select {
		case r.messages <- m:
		case <-r.leave:
			return
		}
	}
}
