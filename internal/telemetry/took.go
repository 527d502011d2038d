package telemetry

import (
	"fmt"
	"time"
)

// Took shows how long something took with three figures, in at most six columns: 412µs, 3.14ms, 1.24s,
// 2m03s, 1h02m.
func Took(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d < unit.of {
			continue
		}
		v := float64(d) / float64(unit.of)
		digits := 2 - min(2, len(fmt.Sprint(int(v)))-1)
		return fmt.Sprintf("%.*f%s", digits, v, unit.name)
	}
	return fmt.Sprintf("%dns", max(d, 0))
}
