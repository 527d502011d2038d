package fleet

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/state"
)

// doing is what a build is at, for those who wait for it. It is safe for concurrent use.
type doing struct {
	mu    sync.Mutex // guards the rest
	what  string     // "go build"; "" is nothing yet
	since time.Time
	out   *tailWriter // of what it prints
}

// begin says that a command begins, and returns where it prints.
func (d *doing) begin(what string) *tailWriter {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.what, d.since, d.out = what, time.Now(), &tailWriter{}
	return d.out
}

// text is "go build, 12 s: go: downloading …", or "" before anything began.
func (d *doing) text(now time.Time) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.what == "" {
		return "waits for other builds"
	}
	text := fmt.Sprintf("%s, %d s", d.what, int(now.Sub(d.since).Seconds()))
	lines := d.out.lines()
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		text += ": " + last
	}
	return text
}

// title is a command in as few words as say what it does: "go build", "python3 -m venv".
func title(argv []string) string {
	words := []string{filepath.Base(argv[0])}
	for _, word := range argv[1:] {
		words = append(words, word)
		if !strings.HasPrefix(word, "-") {
			break
		}
	}
	text := []rune(strings.Join(words, " "))
	return string(text[:min(len(text), maxTitle)])
}

const maxTitle = 40

// looksEvery is how often it is shown what a build is at; one that is done before says nothing.
const looksEvery = time.Second

// awaitMade blocks until the unit's service is made, and shows meanwhile what that is at.
func (u *unit) awaitMade(ctx context.Context, job *making) error {
	u.phase(state.Building, "", u.name+" is being built")
	look := time.NewTicker(looksEvery)
	defer look.Stop()
	for {
		select {
		case <-job.done:
			return job.err
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-look.C:
			u.update(state.KindUsage, u.name+" is being built", func(s *state.Unit) bool {
				said := s.Reason
				s.Reason = job.doing.text(now)
				return s.Reason != said
			})
		}
	}
}
