package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"msctl.dev/msctl/internal/control"
)

// launch is what the background half of `up -d` tells the one in front, one object per line.
type launch struct {
	Held  bool   `json:"held,omitempty"` // another supervisor has the lock
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code,omitempty"`
}

// launchFile is the number of the open file that the background half writes to.
const launchFile = 3

// upDetached starts `msctl up` in the background, or joins the one that runs, and returns when it is up.
func (a *App) upDetached(ctx context.Context, p place, o *upOptions) error {
	begun := time.Now()
	c, err := control.Dial(ctx, p.socket())
	if err == nil {
		defer c.Close()
		fmt.Fprintf(a.Err, "already up (pid %d)%s\n", c.Info().PID, a.aimed(heldBy(c.Info())))
		if err := a.tellLacks(ctx, c, o); err != nil {
			return err
		}
		if err := a.join(ctx, c, o); err != nil {
			return err
		}
		return a.awaitUp(ctx, p, c, o, begun)
	}
	if !errors.Is(err, control.ErrNotRunning) {
		_, err = p.connect(ctx)
		return err
	}
	child, words, err := a.spawn(p, o)
	if err != nil {
		return err
	}
	c, ours, err := a.awaitSocket(ctx, p, child, words)
	if err != nil {
		return err
	}
	defer c.Close()
	err = a.awaitUp(ctx, p, c, o, begun)
	var sig *signalled
	switch {
	case errors.Is(err, errGone):
		if said := <-words; said != nil {
			return said
		}
		return failed("`msctl logs` and "+p.log()+" show more", "bring the stack up: msctl ended")
	case ours && errors.As(err, &sig):
		fmt.Fprintln(a.Err, "stopping what was begun")
		if _, err := c.Down(context.WithoutCancel(ctx), false); err != nil {
			return err
		}
	}
	return err
}

// heldBy says that a fleet does not stay up by itself, or nothing.
func heldBy(info control.Info) string {
	if info.Detached {
		return ""
	}
	return " at another terminal: it ends with that one; to keep it up, `msctl down` and then `msctl up -d`"
}

// spawn starts the background half, with more open files for it. words gets its last word: an error,
// errLocked, or nil when it closed.
func (a *App) spawn(p place, o *upOptions, also ...*os.File) (*exec.Cmd, <-chan error, error) {
	log, err := openLog(p.log())
	if err != nil {
		return nil, nil, err
	}
	defer log.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start in the background: %w", err)
	}
	defer w.Close()
	cmd := exec.Command(a.Exe, o.argv(a, p)...)
	cmd.Dir, cmd.Env = a.Dir, a.Environ
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = append([]*os.File{w}, also...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		r.Close()
		return nil, nil, fmt.Errorf("start in the background: %w", err)
	}
	words := make(chan error, 1)
	go func() {
		defer r.Close()
		words <- lastWord(r)
		cmd.Wait()
	}()
	return cmd, words, nil
}

// lastWord reads what the background half says until it ends or closes its end.
func lastWord(r io.Reader) error {
	var said launch
	if err := json.NewDecoder(r).Decode(&said); err != nil {
		return nil
	}
	if said.Held {
		return errLocked
	}
	return &codedError{errors.New(said.Error), said.Code, said.Hint}
}

// awaitSocket waits until the background half, or the supervisor that was faster, answers.
func (a *App) awaitSocket(ctx context.Context, p place, child *exec.Cmd, words <-chan error) (*control.Client, bool, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		c, err := control.Dial(ctx, p.socket())
		if err == nil {
			return c, c.Info().PID == child.Process.Pid, nil
		}
		if !errors.Is(err, control.ErrNotRunning) {
			return nil, false, err
		}
		select {
		case said := <-words:
			if errors.Is(said, errLocked) {
				c, err := a.reach(ctx, p)
				return c, false, err
			}
			if said == nil {
				said = failed(p.log()+" shows more", "start in the background: msctl ended at once")
			}
			return nil, false, said
		case <-time.After(pause):
		case <-ctx.Done():
			child.Process.Signal(syscall.SIGTERM)
			return nil, false, context.Cause(ctx)
		}
	}
}

// awaitUp shows the way up of a fleet behind the socket and says how it went.
func (a *App) awaitUp(ctx context.Context, p place, c *control.Client, o *upOptions, begun time.Time) error {
	v := &foreground{app: a, place: p, opts: o, source: c, begun: begun}
	v.prepare()
	snap, err := v.ascend(ctx)
	if err != nil {
		if exitCode(err) == exitTimeout {
			return &codedError{err, exitTimeout, kept}
		}
		return err
	}
	if !o.json {
		banner(v.liner.screen, snap, time.Since(begun), a.keys(detachedKeys))
	}
	var bad []string
	for _, u := range pick(snap.Units, o.services) {
		if !isUp(u) {
			bad = append(bad, u.Name+" is "+string(u.Phase))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return failed(kept, "bring %s up: %s", snap.Stack, list(bad))
}

// kept says what happens to the units that did come up when others did not.
const kept = "the rest is kept running; `msctl logs NAME` shows why, `msctl down` ends it"

// hold passes the end of the background half on to the one in front, which prints it.
func (a *App) hold(o *upOptions, err error) error {
	if !o.daemon || err == nil {
		return err
	}
	w := os.NewFile(launchFile, "launch")
	defer w.Close()
	said := launch{Held: errors.Is(err, errLocked), Code: exitCode(err)}
	veil := a.veil()
	for i, m := range mistakes(err) {
		if i > 0 {
			said.Error += "\n"
		}
		said.Error += veil.Text(m.text)
		said.Hint = veil.Text(m.hint)
	}
	json.NewEncoder(w).Encode(said)
	return err
}

var _ source = (*control.Client)(nil)
