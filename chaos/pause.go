package chaos

import "msctl.dev/msctl/internal/driver"

var pause = Kind{
	Name:    "pause",
	Doc:     "nothing of it runs; its connections stay open and nobody answers on them",
	Layer:   Process,
	Example: "orders pause for=10s",
	Act:     func(Args) (driver.Upset, error) { return driver.Upset{Pause: true}, nil },
}
