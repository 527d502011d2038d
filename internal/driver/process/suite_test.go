package process

import (
	"testing"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
)

// TestDriver holds the process driver to what every driver promises.
func TestDriver(t *testing.T) {
	drivertest.Run(t, drivertest.Suite{
		New: func(t *testing.T) driver.Driver { return newRig(t) },
		Again: func(t *testing.T, d driver.Driver) driver.Driver {
			old := d.(*rig).Driver
			return &Driver{RunDir: old.RunDir, Stack: old.Stack, Keeper: old.Keeper}
		},
		Unit: func(t *testing.T, name string, a drivertest.Act, arg string) driver.Unit {
			modes := map[drivertest.Act]string{
				drivertest.Idle: "silent", drivertest.Ignore: "ignore", drivertest.Exit: "exit",
				drivertest.Die: "kill", drivertest.Lines: "lines", drivertest.Env: "env",
			}
			u := (&rig{tb: t, logs: t.TempDir()}).unit(name, modes[a], arg)
			if a == drivertest.Absent {
				u.Argv = []string{"/no/such/program"}
			}
			return u
		},
	})
}
