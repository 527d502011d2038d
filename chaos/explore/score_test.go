package explore

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScores(t *testing.T) {
	s := search(model{})
	s.Most, s.Thorough = 1, true
	var runs []Past
	s.Made = func(p Past) { runs = append(runs, p) }
	r := do(t, s)
	var got Score
	for _, one := range Scores(r.Clean, runs) {
		if one.Edge == "catalog:cache" && one.Mode == "error" {
			got = one
		}
	}
	want := Score{Service: "catalog", Edge: "catalog:cache", Mode: "error", Calls: 1, Survived: 1, Masked: 1}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	if n := len(Scores(r.Clean, runs)); n != 20 { // of ten edges in two modes
		t.Errorf("%d scores", n)
	}
}
