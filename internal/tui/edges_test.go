package tui

import (
	"slices"
	"testing"

	"msctl.dev/msctl/internal/state"
)

// TestHistoryWhileNothingMoves checks that each second is in the history once, whether an answer came in it or not: a
// source that tells of changes only says nothing while the edges stand still.
func TestHistoryWhileNothingMoves(t *testing.T) {
	var tr traffic
	edges := func(rate float64) []state.Edge { return []state.Edge{{From: "a", To: "b", Rate: rate}} }
	tr.second()
	tr.set(edges(3), nil) // in the first second
	for range 3 {
		tr.second() // nothing is heard in the next two
	}
	tr.set(edges(0), nil)
	tr.set(edges(5), nil) // a second answer in one second is no second more
	tr.second()
	if got, want := tr.history["b"], []float64{3, 3, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
