package drivertest

import (
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
)

// last returns the number of the last line in the log of u, or 0.
func last(u driver.Unit) (uint64, error) {
	if u.LogDir == "" {
		return 0, nil
	}
	lines, err := output.Tail(u.LogDir, 1)
	if err != nil || len(lines) == 0 {
		return 0, err
	}
	return lines[0].Seq, nil
}

// print puts lines into the log of u, as a run of it would.
func print(u driver.Unit, lines []string) error {
	if u.LogDir == "" || len(lines) == 0 {
		return nil
	}
	w, err := output.Open(u.LogDir, output.Options{})
	if err != nil {
		return err
	}
	for _, text := range lines {
		if err := w.Append(time.Now(), output.Stdout, []byte(text)); err != nil {
			return err
		}
	}
	return w.Close()
}
