package container

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"msctl.dev/msctl/internal/driver"
)

// killPatience is how long a container may take to end once it was killed.
const killPatience = 10 * time.Second

// errAway says that a container could not be ended because its engine does not answer.
var errAway = errors.New("the container engine is away; `msctl down` ends what is left when it is back")

// stop asks the container to end, waits for its grace and kills what is left; at once for [driver.ErrKill].
func (r *run) stop(ctx context.Context, cause error, ended <-chan ending) ending {
	if !errors.Is(cause, driver.ErrKill) {
		r.signal(ctx, signalOf(r.u))
		if r.h.Stopping != nil {
			r.h.Stopping()
		}
		grace := time.NewTimer(graceOf(r.u))
		defer grace.Stop()
		select {
		case e := <-ended:
			return e
		case <-grace.C:
		case <-r.h.Hurry:
		}
		if r.h.Killed != nil {
			r.h.Killed(r.left(ctx))
		}
	}
	return r.kill(ctx, ended)
}

// kill ends the container now. An engine that is away is waited for a while, and given up.
func (r *run) kill(ctx context.Context, ended <-chan ending) ending {
	patience := time.NewTimer(min(killPatience, r.d.patience()))
	defer patience.Stop()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		r.signal(ctx, "KILL")
		select {
		case e := <-ended:
			return e
		case <-again.C:
		case <-patience.C:
			return ending{err: errAway}
		}
	}
}

// signal sends one signal. Its errors say that the container has ended or that the engine is away, which
// waiting finds out too.
func (r *run) signal(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	_ = kill(ctx, r.l.cli, r.id, name)
}

// left counts the processes inside, the init that the engine adds apart.
func (r *run) left(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	top, err := r.l.cli.ContainerTop(ctx, r.id, nil)
	if err != nil {
		return 1
	}
	return max(1, len(top.Processes)-1)
}

// kill sends a signal to a container. The engine refuses that to a paused one, so it is let go first.
func kill(ctx context.Context, cli *client.Client, id, signal string) error {
	err := cli.ContainerKill(ctx, id, "SIG"+signal)
	if err == nil || !strings.Contains(err.Error(), "paused") {
		return err
	}
	if err := cli.ContainerUnpause(ctx, id); err != nil {
		return err
	}
	return cli.ContainerKill(ctx, id, "SIG"+signal)
}

// end stops a container as its labels say: signal, grace, KILL. One that does not run is left as it is.
func end(ctx context.Context, cli *client.Client, id string, labels map[string]string) error {
	grace := defaultGrace
	if ms, err := strconv.Atoi(labels[labelGrace]); err == nil {
		grace = time.Duration(ms) * time.Millisecond
	}
	signal := labels[labelSignal]
	if signal == "" {
		signal = "TERM"
	}
	err := kill(ctx, cli, id, signal)
	if err != nil && (errdefs.IsConflict(err) || errdefs.IsNotFound(err) || strings.Contains(err.Error(), "is not running")) {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	body, failed := cli.ContainerWait(waiting, id, container.WaitConditionNotRunning)
	select {
	case <-body:
		return nil
	case err := <-failed:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if waiting.Err() == nil && errdefs.IsNotFound(err) {
			return nil
		}
	}
	if err := kill(ctx, cli, id, "KILL"); err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) {
		return fmt.Errorf("kill container: %s", oneLine(err))
	}
	return nil
}

// remove deletes a container, whatever it does, with the volumes that have no name. One that is gone, or
// that another call removes at the same time, is fine.
func remove(ctx context.Context, cli *client.Client, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for {
		err := cli.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case err == nil, errdefs.IsNotFound(err):
			return nil
		case !errdefs.IsConflict(err) && !client.IsErrConnectionFailed(err) && !inProgress(err):
			return fmt.Errorf("remove container: %s", oneLine(err))
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("remove container: %s", oneLine(err))
		}
	}
}

func inProgress(err error) bool { return strings.Contains(err.Error(), "already in progress") }

// exitOf reads an ending: code, signal, memory. Shells and inits tell a signal as 128 and its number.
func exitOf(s *container.State) driver.Exit {
	e := driver.Exit{Code: s.ExitCode, At: time.Now()}
	if at, err := time.Parse(time.RFC3339Nano, s.FinishedAt); err == nil && !at.IsZero() {
		e.At = at
	}
	if e.Signal = signalName(s.ExitCode - 128); e.Signal != "" {
		e.Code = 0
	}
	e.OOM = s.OOMKilled && !e.OK()
	return e
}

// signalName names the signals that end programs; "" for any other number.
func signalName(n int) string {
	switch n {
	case 1:
		return "HUP"
	case 2:
		return "INT"
	case 3:
		return "QUIT"
	case 4:
		return "ILL"
	case 6:
		return "ABRT"
	case 7:
		return "BUS"
	case 8:
		return "FPE"
	case 9:
		return "KILL"
	case 11:
		return "SEGV"
	case 13:
		return "PIPE"
	case 14:
		return "ALRM"
	case 15:
		return "TERM"
	}
	return ""
}
