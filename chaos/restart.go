package chaos

import "msctl.dev/msctl/internal/driver"

var restart = Kind{
	Name:    "restart",
	Doc:     "it is stopped politely and started again, all replicas at the same time",
	Layer:   Process,
	Example: "orders restart",
	Act:     func(Args) (driver.Upset, error) { return driver.Upset{Restart: true}, nil },
}
