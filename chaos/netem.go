package chaos

import (
	"fmt"

	"msctl.dev/msctl/internal/driver"
)

var netem = Kind{
	Name:  "netem",
	Doc:   "the kernel delays, loses, damages or doubles the packets that a container sends; `msctl doctor` says whether it can",
	Layer: Process,
	Params: []Param{
		{Name: "delay", Doc: "of each packet", Type: Duration, Default: "0s"},
		{Name: "jitter", Doc: "give or take so much", Type: Duration, Default: "0s"},
		{Name: "loss", Doc: "share of packets that are lost", Type: Share, Default: "0"},
		{Name: "corrupt", Doc: "share of packets with a wrong bit", Type: Share, Default: "0"},
		{Name: "duplicate", Doc: "share of packets that are sent twice", Type: Share, Default: "0"},
	},
	Example: "orders-db netem=100ms,loss=1% for=30s",
	Act: func(a Args) (driver.Upset, error) {
		n := driver.Netem{Delay: a.Duration("delay"), Jitter: a.Duration("jitter"),
			Loss: a.Share("loss"), Corrupt: a.Share("corrupt"), Duplicate: a.Share("duplicate")}
		if n == (driver.Netem{}) {
			return driver.Upset{}, fmt.Errorf("it says neither delay, loss, corrupt nor duplicate")
		}
		return driver.Upset{Network: &n}, nil
	},
}
