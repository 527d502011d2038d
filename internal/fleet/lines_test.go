package fleet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
)

// TestLastLinesOfRun checks that each crash of a loop shows what that run printed, and nothing of the runs
// before, though all are in one log.
func TestLastLinesOfRun(t *testing.T) {
	loop := func(_ driver.Unit, run int) drivertest.Behaviour {
		b := drivertest.Behaviour{Readiness: -1, After: time.Millisecond, Exit: driver.Exit{Code: 2}}
		if run != 3 { // the third run says nothing
			b.Output = []string{fmt.Sprint("begin ", run), fmt.Sprint("panic ", run)}
		}
		return b
	}
	story(t, []string{"a:"}, loop, func(t *testing.T, r *rig) {
		events := r.Follow(t.Context(), 0)
		for run := 1; run <= 4; run++ {
			var want []string
			if run != 3 {
				want = []string{fmt.Sprint("begin ", run), fmt.Sprint("panic ", run)}
			}
			if u := nextLoop(events); !slices.Equal(u.LastLines, want) {
				t.Errorf("run %d: got last lines %q, want %q", run, u.LastLines, want)
			}
		}
	})
}
