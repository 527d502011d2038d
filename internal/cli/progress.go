package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/state"
)

// patience is how long a command may be silent.
const patience = time.Second

// progress says on stderr what a command is at, once it takes longer than [patience]: one line that is
// redrawn on a terminal, a line every ten seconds elsewhere. The returned function ends it and clears
// the line; it returns when nothing more will be printed. look says what is waited for: ": orders
// starting", or nothing.
func (a *App) progress(ctx context.Context, doing string, look func(context.Context) string) func() {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		s := a.screenOf(a.Err)
		every := 10 * time.Second
		if s.terminal {
			every = 200 * time.Millisecond
		}
		begun := time.Now()
		for next := time.After(patience); ; next = time.After(every) {
			select {
			case <-ctx.Done():
				if s.terminal && time.Since(begun) > patience {
					fmt.Fprint(s, "\r\x1b[K")
				}
				return
			case <-next:
				line := fmt.Sprintf("%s, %s%s", doing, passed(time.Since(begun)), look(ctx))
				if s.terminal {
					fmt.Fprintf(s, "\r\x1b[K%s", shorten(line, s.width-1))
				} else if ctx.Err() == nil {
					fmt.Fprintln(s, line)
				}
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// passed is a time that goes on, so that no two lines of a progress say the same: 12s, 1m10s, 1h5m.
func passed(d time.Duration) string {
	d = max(0, d)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
}

// busy names the units that are on their way: ": orders starting, cache stopping".
func busy(units []state.Unit) string {
	var words []string
	for _, u := range units {
		switch u.Phase {
		case state.Starting, state.Building, state.Stopping, state.Looping:
			words = append(words, because(u.Name+" "+string(u.Phase), u))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words, ", ")
}
