package insight

import (
	"cmp"
	"math"
	"slices"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Compare lists the operations of two windows, those first whose time per trace changed most. Each may
// hold a single trace.
func Compare(a, b *Window) []telemetry.DiffRow {
	before, after := a.operations(), b.operations()
	var rows []telemetry.DiffRow
	for key, x := range before {
		y, both := after[key]
		r := telemetry.DiffRow{Service: key.service, Name: key.name, CountA: int64(whole(x.count)), SelfA: x.mean(x.self), TotalA: x.mean(x.total), ErrorsA: int64(whole(x.errors))}
		if r.Only = "a"; both {
			r.Only, r.CountB, r.SelfB, r.TotalB, r.ErrorsB = "", int64(whole(y.count)), y.mean(y.self), y.mean(y.total), int64(whole(y.errors))
		}
		rows = append(rows, r)
	}
	for key, y := range after {
		if before[key] == nil {
			rows = append(rows, telemetry.DiffRow{Service: key.service, Name: key.name, Only: "b",
				CountB: int64(whole(y.count)), SelfB: y.mean(y.self), TotalB: y.mean(y.total), ErrorsB: int64(whole(y.errors))})
		}
	}
	ofA, ofB := a.stands(), b.stands()
	perTrace := func(r telemetry.DiffRow) time.Duration {
		d := share(r.SelfB, r.CountB, ofB) - share(r.SelfA, r.CountA, ofA)
		return max(d, -d)
	}
	slices.SortFunc(rows, func(x, y telemetry.DiffRow) int {
		return cmp.Or(-cmp.Compare(perTrace(x), perTrace(y)), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Name, y.Name))
	})
	return rows
}

// share is the time that an operation takes of one trace.
func share(mean time.Duration, count int64, traces float64) time.Duration {
	return time.Duration(float64(mean) * float64(count) / max(traces, 1))
}

// stands is how many traces those stand for that were read.
func (w *Window) stands() (n float64) {
	for _, t := range w.traces {
		n += t.weight
	}
	return n
}

// operation is one name of one service. An edge stands under its caller, with its callee in the name.
type operation struct{ service, name string }

// effort is how often an operation was done, and how long it took, ns. Each trace counts for those it stands for.
type effort struct{ count, errors, self, total float64 }

func (e *effort) mean(sum float64) time.Duration { return time.Duration(math.Round(sum / e.count)) }

func (w *Window) operations() map[operation]*effort {
	all := map[operation]*effort{}
	for _, t := range w.traces {
		if t.weight == 0 {
			continue
		}
		for i := range t.spans {
			s := &t.spans[i]
			key := operationOf(s)
			e := all[key]
			if e == nil {
				e = &effort{}
				all[key] = e
			}
			e.count += t.weight
			e.self += t.weight * float64(t.self(i))
			e.total += t.weight * float64(s.Duration)
			if s.Status == telemetry.Failed {
				e.errors += t.weight
			}
		}
	}
	return all
}

func operationOf(s *telemetry.Span) operation {
	if s.Edge != "" {
		return operation{s.Edge, s.Name}
	}
	return operation{s.Service, s.Name}
}
