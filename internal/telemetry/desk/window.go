package desk

import (
	"fmt"
	"strings"
	"time"
)

// window reads "10m..5m", "14:02..14:05" or "2026-03-01T14:02:00Z..": ends that are durations are ago, an
// empty one is now. It reports false for what is no window.
func window(text string, now time.Time) (since, until time.Time, ok bool, err error) {
	from, to, ok := strings.Cut(text, "..")
	if !ok {
		return since, until, false, nil
	}
	if since, err = Moment(from, now); err != nil {
		return since, until, true, err
	}
	if until, err = Moment(to, now); err != nil {
		return since, until, true, err
	}
	if !since.Before(until) {
		return since, until, true, fmt.Errorf("read window %q: it ends before it begins", text)
	}
	return since, until, true, nil
}

// Moment reads a time: "5m" is five minutes ago, "14:02" and "14:02:30" are today or, when that is still
// to come, yesterday; RFC 3339 is exact, and "" is now.
func Moment(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" || text == "now" {
		return now, nil
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(text, "-")); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		t, err := time.ParseInLocation(layout, text, now.Location())
		if err != nil {
			continue
		}
		y, m, d := now.Date()
		t = time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location())
		if t.After(now) {
			t = t.AddDate(0, 0, -1)
		}
		return t, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("read time %q: want a duration ago (5m), a time (14:02) or RFC 3339", text)
}
