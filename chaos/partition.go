package chaos

import (
	"time"

	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

var partition = Kind{
	Name:    state.Partition,
	Doc:     "every edge between two sides is cut, in both directions: open connections are reset and new ones refused",
	Layer:   Network,
	Example: "orders+users:payments partition",
	New:     func(Args) (proxy.Fault, error) { return Cut{}, nil },
}

// Cut resets open connections and refuses new ones.
type Cut struct{ Refuse }

// String returns "partition".
func (Cut) String() string { return state.Partition }

// Ends resets the connection.
func (Cut) Ends() (time.Duration, proxy.Ending) { return 0, proxy.ByReset }
