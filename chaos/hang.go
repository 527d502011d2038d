package chaos

import "msctl.dev/msctl/internal/proxy"

var hang = Kind{
	Name:    "hang",
	Doc:     "new connections are accepted and nobody answers; open ones stand still; all go on when it is lifted",
	Layer:   Connection,
	Example: "gateway:users hang for=30s",
	New:     func(Args) (proxy.Fault, error) { return Hang{}, nil },
}

// Hang accepts connections and does nothing more with them.
type Hang struct{ Stall }

// String returns "hang".
func (Hang) String() string { return "hang" }

// Hangs marks it: nobody is called on behalf of a connection that hangs.
func (Hang) Hangs() {}
