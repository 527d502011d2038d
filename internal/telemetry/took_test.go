package telemetry

import (
	"testing"
	"time"
)

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0ns", 0: "0ns", 999: "999ns", 1500: "1.50µs", 412 * time.Microsecond: "412µs", 3140 * time.Microsecond: "3.14ms",
		61 * time.Millisecond: "61.0ms", 240 * time.Millisecond: "240ms", 1240 * time.Millisecond: "1.24s", 59 * time.Second: "59.0s",
		123 * time.Second: "2m03s", 62 * time.Minute: "1h02m", 100 * time.Hour: "100h00m",
	} {
		if got := Took(d); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}
