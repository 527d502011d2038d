package cli

import (
	"fmt"
	"time"

	"msctl.dev/msctl/internal/state"
)

// A unit may be on its way for so long until it is said what it lacks; it is said again each time so many
// times as long has passed.
const (
	impatience = 5 * time.Second
	slackening = 3
)

// maxSlow is how many units are named at one moment: where all are slow, it is the machine.
const maxSlow = 5

// slow remembers what is on its way, by unit, and says what takes long.
type slow map[string]*delayed

type delayed struct {
	phase state.Phase
	since time.Time
	next  time.Duration // after since: when it is said
}

// look returns the lines to print now: "web: starting for 5s: nothing listens on port http (…)".
func (s slow) look(snap state.Snapshot, now time.Time) []string {
	var lines []string
	for _, u := range snap.Units {
		if u.Phase != state.Starting && u.Phase != state.Building {
			delete(s, u.Name)
			continue
		}
		d := s[u.Name]
		if d == nil || d.phase != u.Phase {
			d = &delayed{u.Phase, now, impatience}
			s[u.Name] = d
		}
		if u.Phase == state.Starting && (u.PID != 0 || u.Container != "") {
			d.since = u.Started // it may have begun before anybody looked
		}
		if took := now.Sub(d.since); took >= d.next {
			lines = append(lines, delayedText(u, took))
			for d.next <= took {
				d.next *= slackening
			}
		}
	}
	if more := len(lines) - maxSlow; more > 0 {
		lines = append(lines[:maxSlow], fmt.Sprintf("and %d more", more))
	}
	return lines
}

func delayedText(u state.Unit, took time.Duration) string {
	if u.Phase == state.Building && u.Reason != "" { // it says for how long
		return because(u.Name+": building", u)
	}
	doing := string(u.Phase)
	if u.Sort == state.Job && u.Phase == state.Starting {
		doing = "running"
	}
	return because(fmt.Sprintf("%s: %s for %s", u.Name, doing, shortDuration(took)), u)
}

// because adds the reason of a unit's phase, where it has one, to a text.
func because(text string, u state.Unit) string {
	if u.Reason == "" {
		return text
	}
	return text + ": " + clean(u.Reason)
}
