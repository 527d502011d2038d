package chaos

import (
	"errors"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/state"
)

// Upset makes what a fault does to something that runs. It returns an [*Error] where the fault is not one.
func Upset(f state.Fault) (driver.Upset, error) {
	k, err := check(f)
	if err != nil {
		return driver.Upset{}, err
	}
	if k.Act == nil {
		return driver.Upset{}, wrong("", "put %s on %s: it acts on edges", k.Name, f.Target)
	}
	u, err := k.Act(Args{f, k})
	if e := new(Error); errors.As(err, &e) {
		return u, e
	}
	switch {
	case err != nil:
		return u, wrong("", "put %s on %s: %v", k.Name, f.Target, err)
	case f.Toxicity != 0 && f.Toxicity != 1:
		return u, wrong("name one replica, as `msctl ps` shows them", "read toxicity=%v: %s acts on all of its target", f.Toxicity, k.Name)
	case u.Once() && (f.For != 0 || f.Lease != ""):
		return u, wrong("leave for= and lease= out", "put %s on %s: it is done at once, and does not last", k.Name, f.Target)
	}
	return u, nil
}
