package fleet

import (
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/state"
)

// TestMuteUnit is F5 for a unit that cannot be asked: it is ready once it has run for a moment, so that one
// that ends at once never counts as ready, and nothing that needs it starts.
func TestMuteUnit(t *testing.T) {
	ends := map[string]struct {
		behaviour drivertest.Behaviour
		want      state.Phase
	}{
		"stays":             {drivertest.Behaviour{}, state.Ready},
		"ends later":        {drivertest.Behaviour{After: time.Hour, Exit: driver.Exit{Code: 3}}, state.Ready},
		"is not there":      {drivertest.Behaviour{After: time.Millisecond, Exit: driver.Exit{Code: 127}}, state.Looping},
		"dislikes settings": {drivertest.Behaviour{After: steady - time.Millisecond, Exit: driver.Exit{Code: 3}}, state.Looping},
		"has nothing to do": {drivertest.Behaviour{After: time.Millisecond}, state.Stopped},
	}
	for name, tc := range ends {
		t.Run(name, func(t *testing.T) {
			fake := &drivertest.Fake{Behave: func(u driver.Unit, _ int) drivertest.Behaviour {
				if u.Name == "a" {
					return tc.behaviour
				}
				return drivertest.Behaviour{}
			}}
			o := options(t, stackOf(t.TempDir(), "a:", "b: a"), fake)
			o.probe = nil
			synctest.Test(t, func(t *testing.T) {
				r := run(t, o, fake)
				time.Sleep(steady / 2)
				if u := r.get("a"); u.Phase == state.Ready {
					t.Errorf("a is ready after %v", steady/2)
				}
				time.Sleep(steady) // before the next try, which comes at any moment from 400 ms after an end on
				if u := r.get("a"); u.Phase != tc.want {
					t.Errorf("a is %s (%s), want %s", u.Phase, u.Reason, tc.want)
				}
				if started := fake.Starts("b") > 0; started != (tc.want == state.Ready) {
					t.Errorf("b that needs it: started is %t", started)
				}
				r.end(nil)
			})
		})
	}
}
