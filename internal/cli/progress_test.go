package cli

import (
	"testing"
	"time"
)

// TestProgressPassed says another time every ten seconds, also behind a minute.
func TestProgressPassed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59900 * time.Millisecond: "59s", time.Minute: "1m0s", 70 * time.Second: "1m10s",
		10*time.Minute + 9*time.Second: "10m9s", 65 * time.Minute: "1h5m", 50 * time.Hour: "50h0m",
	} {
		if got := passed(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
