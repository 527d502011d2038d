package chaos

import (
	"fmt"

	"msctl.dev/msctl/internal/driver"
)

var cpu = Kind{
	Name:    "cpu",
	Doc:     "it may use no more than a share of one core: by a control group where this user may make one, else it is stopped now and then",
	Layer:   Process,
	Params:  []Param{{Name: "share", Doc: "of one core", Type: Share, Required: true}},
	Example: "orders cpu=20% for=30s",
	Act: func(a Args) (driver.Upset, error) {
		if a.Share("share") < 0.01 {
			return driver.Upset{}, fmt.Errorf("less than 1%% of a core is none: use pause")
		}
		return driver.Upset{CPU: a.Share("share")}, nil
	},
}
