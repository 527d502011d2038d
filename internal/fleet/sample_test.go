package fleet

import (
	"testing"

	"msctl.dev/msctl/internal/state"
)

// TestSameUsage: a fleet that stands still does not speak of the clock's ticks.
func TestSameUsage(t *testing.T) {
	for _, c := range []struct {
		said, now float64
		grown     int64
		same      bool
	}{
		{0, 0.005, 0, true}, {0.005, 0.01, 0, true}, {0, 0.01, 0, false}, {0.005, 0, 0, false}, {0, 0, 0, true},
		{0.5, 0.4, 0, false}, {0, 0, 1 << 19, true}, {0, 0, 2 << 20, false},
	} {
		u := state.Unit{CPU: c.said, Memory: 100 << 20}
		if got := sameUsage(u, c.now, u.Memory+c.grown); got != c.same {
			t.Errorf("%v then %v, grown by %d: same is %v", c.said, c.now, c.grown, got)
		}
	}
}
