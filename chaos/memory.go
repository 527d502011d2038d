package chaos

import (
	"fmt"

	"msctl.dev/msctl/internal/driver"
)

var memory = Kind{
	Name:    "memory",
	Doc:     "it is killed when it uses more memory; a process is looked at five times a second",
	Layer:   Process,
	Params:  []Param{{Name: "most", Doc: "how much it may use", Type: Size, Required: true}},
	Example: "orders memory=64MiB for=1m",
	Act: func(a Args) (driver.Upset, error) {
		if a.Size("most") == 0 {
			return driver.Upset{}, fmt.Errorf("nothing runs in no memory: use kill")
		}
		return driver.Upset{Memory: a.Size("most")}, nil
	},
}
