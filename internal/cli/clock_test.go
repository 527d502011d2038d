package cli

import (
	"testing"
	"time"
)

// TestClockOn shows the day of what did not happen today, be it an hour ago.
func TestClockOn(t *testing.T) {
	now := time.Date(2026, 3, 2, 0, 30, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		10 * time.Minute:     "00:20:00.000",
		time.Hour:            "Mar 01 23:30:00",
		365 * 24 * time.Hour: "2025-03-02 00:30",
	} {
		if got := clockOn(now.Add(-ago), now); got != want {
			t.Errorf("%v ago: got %q, want %q", ago, got, want)
		}
	}
}
