package chaos

import "msctl.dev/msctl/internal/proxy"

var refuse = Kind{
	Name:    "refuse",
	Doc:     "new connections are reset, and so are requests on those that are open",
	Layer:   Connection,
	Example: "gateway:users refuse",
	New:     func(Args) (proxy.Fault, error) { return Refuse{}, nil },
}

// Refuse resets every new connection and request.
type Refuse struct{}

// String returns "refuse".
func (Refuse) String() string { return "refuse" }

// Open refuses.
func (Refuse) Open() bool { return false }
