package chaos

import "msctl.dev/msctl/internal/driver"

var disconnect = Kind{
	Name:    "disconnect",
	Doc:     "a container has no network; for a process use partition",
	Layer:   Process,
	Example: "orders-db disconnect for=10s",
	Act:     func(Args) (driver.Upset, error) { return driver.Upset{Disconnect: true}, nil },
}
