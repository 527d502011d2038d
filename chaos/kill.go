package chaos

import "msctl.dev/msctl/internal/driver"

var kill = Kind{
	Name:  "kill",
	Doc:   "it is killed at once, as by the kernel for want of memory; its restart policy decides what follows",
	Layer: Process,
	Params: []Param{
		{Name: "signal", Doc: "what is sent instead, to its first process alone", Type: Choice, Default: "KILL",
			Choices: []string{"KILL", "TERM", "INT", "HUP", "QUIT", "ABRT", "USR1", "USR2"}},
	},
	Example: "orders-2 kill",
	Act: func(a Args) (driver.Upset, error) {
		return driver.Upset{Signal: a.Text("signal")}, nil
	},
}
