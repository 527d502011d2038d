package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newDown(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Take the stack down",
		Long: "down stops everything in reverse order, each politely and after its grace by force, and says so only\n" +
			"when nothing is left. It needs no running msctl: what a crash left behind is found by its marks.",
		Example: "  msctl down\n  msctl down -v         # and drop the data of databases and queues\n  msctl down --force    # even if the running msctl does not answer",
		Args:    args(cobra.NoArgs),
	}
	volumes := cmd.Flags().BoolP("volumes", "v", false, "drop the data too")
	force := cmd.Flags().Bool("force", false, "kill a running msctl that does not answer, then everything of its stack")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := a.place()
		if err != nil {
			return err
		}
		d := &descent{app: a, place: p, volumes: *volumes, liner: &liner{screen: a.screenOf(a.Err)}}
		return d.run(cmd.Context(), *force)
	}
	return cmd
}

// descent takes one stack down.
type descent struct {
	app     *App
	place   place
	volumes bool
	liner   *liner
	was     bool // something ran
}

func (d *descent) run(ctx context.Context, force bool) error {
	c, err := d.place.connect(ctx)
	switch {
	case err == nil:
		err = d.ask(ctx, c)
		c.Close()
	case errors.Is(err, control.ErrNotRunning):
		err = nil
	case force:
		err = d.kill(ctx)
	}
	if err != nil {
		return err
	}
	if err := d.place.known(); err != nil {
		return err
	}
	if missing(d.place.state()) {
		fmt.Fprintln(d.app.Err, "nothing was running")
		return nil
	}
	l, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer l.release()
	return d.sweep(ctx)
}

// ask has the running fleet go down and shows how it does.
func (d *descent) ask(ctx context.Context, c *control.Client) error {
	d.was = true
	stop := d.app.progress(ctx, "stopping", func(ctx context.Context) string {
		snap, _ := c.Snapshot(ctx)
		return busy(snap.Units)
	})
	following, cancel := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		snap, err := c.Snapshot(following)
		if err != nil {
			return
		}
		c.Follow(following, snap.Seq, func(ev state.Event) error {
			if ev.Kind == state.KindNotice {
				d.liner.line(clean(ev.Text))
			}
			return nil
		})
	}()
	ended, err := c.Down(ctx, d.volumes)
	cancel()
	<-told
	stop()
	switch {
	case errors.Is(err, control.ErrNotRunning): // it ended otherwise meanwhile
		return nil
	case err != nil:
		return fmt.Errorf("take the stack down: %w", err)
	case ended.Error != "":
		d.liner.line("msctl: " + clean(ended.Error))
	}
	return nil
}

// kill ends a supervisor that does not answer.
func (d *descent) kill(ctx context.Context) error {
	pid := control.Owner(ctx, d.place.socket())
	if pid <= 0 {
		return notRunning("", "find the msctl that holds %s: it has no socket", d.place.lock())
	}
	d.was = true
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill msctl (pid %d): %w", pid, err)
	}
	fmt.Fprintf(d.app.Err, "killed msctl (pid %d), which did not answer\n", pid)
	return nil
}

// lock waits until the supervisor is gone, so that no other begins while the rest is swept.
func (d *descent) lock(ctx context.Context) (*lock, error) {
	ctx, cancel := context.WithTimeout(ctx, begins)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		l, err := takeLock(d.place.lock())
		if err == nil || !errors.Is(err, errLocked) {
			return l, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, notRunning("`msctl down --force` ends it", "another msctl holds %s and does not answer", d.place.lock())
		}
	}
}

// sweep ends what is left by its marks, until a count finds nothing.
func (d *descent) sweep(ctx context.Context) error {
	s := d.app.sweepers(ctx, d.place)
	total := 0
	for round := 0; ; round++ {
		n, err := s.sweep(ctx, d.volumes)
		if err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		if total += n; n == 0 {
			break
		}
		if round == 5 {
			return failed("they belong to another user, or the kernel holds them", "take the stack down: %d processes or containers stay", n)
		}
	}
	if d.volumes {
		if err := os.RemoveAll(filepath.Join(d.place.state(), "data")); err != nil {
			return fmt.Errorf("drop data: %w", err)
		}
	}
	d.verdict(total)
	return nil
}

// verdict is printed only after a count of zero.
func (d *descent) verdict(swept int) {
	text := "down: nothing is left running"
	switch {
	case !d.was && swept == 0:
		text = "nothing was running"
		if copies := d.place.copies(); len(copies) > 0 {
			text += "; running: --instance " + strings.Join(copies, ", --instance ")
		}
	case swept > 0:
		text = fmt.Sprintf("down: %d left over by an msctl that crashed ended; nothing is left running", swept)
	}
	if d.volumes {
		text += "; the data is dropped"
	}
	fmt.Fprintln(d.app.Err, text)
}
