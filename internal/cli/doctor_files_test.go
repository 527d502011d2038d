package cli

import (
	"math"
	"testing"
)

// TestDoctorFiles warns of a hard limit that a busy edge comes up against, and of no other.
func TestDoctorFiles(t *testing.T) {
	for most, want := range map[uint64]finding{
		1024:           {OK: false, Text: "only 1024 (ulimit -Hn): an edge takes two for each connection; 4096 or more are better"},
		4095:           {OK: false, Text: "only 4095 (ulimit -Hn): an edge takes two for each connection; 4096 or more are better"},
		4096:           {OK: true, Text: "up to 4096"},
		math.MaxUint64: {OK: true, Text: "no limit"},
	} {
		want.Area, want.Name = "limits", "open files"
		if got := judgeFiles(most); got != want {
			t.Errorf("%d: got %+v, want %+v", most, got, want)
		}
	}
}
