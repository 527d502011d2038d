package insight

import (
	"cmp"
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
		r := telemetry.DiffRow{Service: key.service, Name: key.name, CountA: x.count, SelfA: x.mean(x.self), TotalA: x.mean(x.total), ErrorsA: x.errors}
		if r.Only = "a"; both {
			r.Only, r.CountB, r.SelfB, r.TotalB, r.ErrorsB = "", y.count, y.mean(y.self), y.mean(y.total), y.errors
		}
		rows = append(rows, r)
	}
	for key, y := range after {
		if before[key] == nil {
			rows = append(rows, telemetry.DiffRow{Service: key.service, Name: key.name, Only: "b",
				CountB: y.count, SelfB: y.mean(y.self), TotalB: y.mean(y.total), ErrorsB: y.errors})
		}
	}
	perTrace := func(r telemetry.DiffRow) time.Duration {
		d := share(r.SelfB, r.CountB, len(b.traces)) - share(r.SelfA, r.CountA, len(a.traces))
		return max(d, -d)
	}
	slices.SortFunc(rows, func(x, y telemetry.DiffRow) int {
		return cmp.Or(-cmp.Compare(perTrace(x), perTrace(y)), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Name, y.Name))
	})
	return rows
}

// share is the time that an operation takes of one trace.
func share(mean time.Duration, count int64, traces int) time.Duration {
	return time.Duration(int64(mean) * count / int64(max(traces, 1)))
}

// operation is one name of one service. An edge stands under its caller, with its callee in the name.
type operation struct{ service, name string }

type effort struct {
	count, errors int64
	self, total   time.Duration
}

func (e *effort) mean(d time.Duration) time.Duration { return d / time.Duration(max(e.count, 1)) }

func (w *Window) operations() map[operation]*effort {
	all := map[operation]*effort{}
	for _, t := range w.traces {
		for i := range t.spans {
			s := &t.spans[i]
			key := operationOf(s)
			e := all[key]
			if e == nil {
				e = &effort{}
				all[key] = e
			}
			e.count++
			e.self += t.self(i)
			e.total += s.Duration
			if s.Status == telemetry.Failed {
				e.errors++
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
