package explore

import (
	"cmp"
	"slices"
)

// Score is how the calls of one service over one edge fared that failed in one mode.
type Score struct {
	Service  string   `json:"service"` // who makes the calls
	Edge     string   `json:"edge"`
	Mode     string   `json:"mode"`
	Calls    int      `json:"calls"`            // of the request that were disturbed, each in a run of its own
	Survived int      `json:"survived"`         // runs after which all held
	Masked   int      `json:"masked"`           // of them, those whose request was answered as without faults
	Broken   []string `json:"broken,omitempty"` // what did not hold
}

// Scores sums up runs of single faults beside the run without any.
func Scores(clean Run, runs []Past) []Score {
	var all []Score
	for _, p := range runs {
		if len(p.Set) != 1 || p.Try > 0 {
			continue
		}
		f := p.Set[0]
		if _, made := p.Run.call(f.Point); !made {
			continue // the call was not made in that run
		}
		i := slices.IndexFunc(all, func(s Score) bool { return s.Edge == f.Edge && s.Mode == f.Mode })
		if i < 0 {
			i = len(all)
			all = append(all, Score{Service: Call{Edge: f.Edge}.Caller(), Edge: f.Edge, Mode: f.Mode})
		}
		s := &all[i]
		s.Calls++
		if !p.Run.Held() {
			s.Broken = append(s.Broken, p.Run.Broken...)
			continue
		}
		if s.Survived++; p.Run.Answer == clean.Answer {
			s.Masked++
		}
	}
	for i := range all {
		slices.Sort(all[i].Broken)
		all[i].Broken = slices.Compact(all[i].Broken)
	}
	slices.SortStableFunc(all, func(a, b Score) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Edge, b.Edge))
	})
	return all
}
