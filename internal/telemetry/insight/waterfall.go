// Package insight reads meaning from spans: waterfalls with their critical path, the map of who calls
// whom, findings on the traffic, what changed between two times, and why requests failed or were slow.
// All of it is pure: spans in, answers out.
package insight

import (
	"cmp"
	"slices"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Waterfall orders the spans of one trace for reading: parents before their children, siblings by start.
// A span that is its own ancestor, or whose parent is not there, becomes a root.
func Waterfall(spans []telemetry.Span) []telemetry.Row {
	t := grow(spans)
	rows := make([]telemetry.Row, 0, len(spans))
	t.walk(func(i, depth int) {
		s := &t.spans[i]
		rows = append(rows, telemetry.Row{
			Span: *s, Depth: depth, Children: len(t.kids[i]), Self: t.self(i),
			Orphan: t.parent[i] < 0 && s.Parent != telemetry.SpanID{}, Guessed: t.guessed[i],
		})
		t.row[i] = len(rows) - 1
	})
	if len(t.roots) > 0 {
		for i, d := range t.critical(t.roots[0]) {
			rows[t.row[i]].Critical = d
		}
	}
	return rows
}

// Whole makes the trace of these spans.
func Whole(spans []telemetry.Span) telemetry.Trace {
	rows := Waterfall(spans)
	return telemetry.Trace{TraceLine: Line(rows), Rows: rows}
}

// Line sums a waterfall up.
func Line(rows []telemetry.Row) telemetry.TraceLine {
	if len(rows) == 0 {
		return telemetry.TraceLine{}
	}
	first := &rows[0].Span
	l := telemetry.TraceLine{ID: first.Trace, Service: first.Service, Name: first.Name, Spans: len(rows), Partial: first.Parent != telemetry.SpanID{}}
	begin, end := first.Start, ends(first)
	for i := range rows {
		s := &rows[i].Span
		if s.Start.Before(begin) {
			begin = s.Start
		}
		if e := ends(s); e.After(end) {
			end = e
		}
		if s.Status == telemetry.Failed {
			l.Errors++
		}
		if s.Service != "" && !slices.Contains(l.Services, s.Service) {
			l.Services = append(l.Services, s.Service)
		}
	}
	l.Start, l.Duration = begin, end.Sub(begin)
	return l
}

// tree is the spans of one trace with who is whose child.
type tree struct {
	spans  []telemetry.Span // by start
	parent []int            // -1 for a root
	kids   [][]int          // by start
	roots  []int            // true roots first, then by start
	row    []int            // where a span stands in the waterfall
	weight float64          // how many traces it stands for

	guessed map[int]bool // whose parent is inferred, and told by nobody
}

func grow(spans []telemetry.Span) *tree { return plant(slices.Clone(spans)) }

// plant makes a tree of spans that it may put into another order.
func plant(spans []telemetry.Span) *tree {
	t := &tree{spans: spans, parent: make([]int, len(spans)), kids: make([][]int, len(spans)), row: make([]int, len(spans)), weight: 1}
	slices.SortStableFunc(t.spans, func(a, b telemetry.Span) int {
		return cmp.Or(a.Start.Compare(b.Start), -cmp.Compare(a.Duration, b.Duration))
	})
	at := make(map[telemetry.SpanID]int, len(spans))
	for i := range t.spans {
		at[t.spans[i].ID] = i
	}
	for i := range t.spans {
		p, there := at[t.spans[i].Parent]
		if t.parent[i] = -1; there && t.spans[i].Parent != (telemetry.SpanID{}) && p != i {
			t.parent[i] = p
		}
	}
	t.nest()
	t.cut()
	for i, p := range t.parent {
		if p >= 0 {
			t.kids[p] = append(t.kids[p], i)
		} else {
			t.roots = append(t.roots, i)
		}
	}
	slices.SortStableFunc(t.roots, func(a, b int) int { return cmp.Compare(orphan(&t.spans[a]), orphan(&t.spans[b])) })
	return t
}

func orphan(s *telemetry.Span) int {
	if s.Parent == (telemetry.SpanID{}) {
		return 0
	}
	return 1
}

// cut breaks cycles of parents: the first span of a cycle becomes a root.
func (t *tree) cut() {
	const unseen, safe = 0, -1
	mark := make([]int, len(t.parent)) // unseen, safe, or the walk that is on it
	for i := range t.parent {
		walk := i + 1
		j := i
		for j >= 0 && mark[j] == unseen {
			mark[j] = walk
			j = t.parent[j]
		}
		if j >= 0 && mark[j] == walk {
			t.parent[j] = -1
		}
		for j = i; j >= 0 && mark[j] == walk; j = t.parent[j] {
			mark[j] = safe
		}
	}
}

// walk calls fn with every span and its depth, in the order of the waterfall.
func (t *tree) walk(fn func(i, depth int)) {
	type step struct{ i, depth int }
	var stack []step
	push := func(of []int, depth int) {
		for _, i := range slices.Backward(of) {
			stack = append(stack, step{i, depth})
		}
	}
	push(t.roots, 0)
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		fn(top.i, top.depth)
		push(t.kids[top.i], top.depth+1)
	}
}

// self returns how long a span ran while none of its children did.
func (t *tree) self(i int) time.Duration {
	s := &t.spans[i]
	self, covered, end := s.Duration, s.Start, ends(s)
	for _, k := range t.kids[i] { // by start
		from, to := later(t.spans[k].Start, covered), earlier(ends(&t.spans[k]), end)
		if to.After(from) {
			self -= to.Sub(from)
			covered = to
		}
	}
	return max(self, 0)
}

// works returns the spans that somebody or nobody waits for on their own account: the roots, and what a
// span set off without waiting for it.
func (t *tree) works() []int {
	var out []int
	for i := range t.parent {
		if t.alone(i) {
			out = append(out, i)
		}
	}
	return out
}

// alone reports a span that nobody waited for: it began when its parent had ended, or ran on for most of
// its time. A server that closes its span a little after its client has the answer does not count.
func (t *tree) alone(i int) bool {
	p := t.parent[i]
	if p < 0 {
		return true
	}
	s, end := &t.spans[i], ends(&t.spans[p])
	over := ends(s).Sub(end)
	return !s.Start.Before(end) || over > 0 && s.Kind == telemetry.Consumer || over > max(slack, s.Duration/2)
}

// critical returns the spans of the critical path of a root or other work, with the time that each adds
// to it: going back from the end, always into the child that ended last. A child counts up to the end of
// its parent, but for those that nobody waited for.
func (t *tree) critical(root int) map[int]time.Duration {
	path := map[int]time.Duration{}
	type leg struct {
		i          int
		from, till time.Time
	}
	stack := []leg{{root, t.spans[root].Start, ends(&t.spans[root])}}
	for len(stack) > 0 {
		l := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		at := l.till
		for _, k := range t.byEnd(l.i) {
			end := ends(&t.spans[k])
			begin := later(t.spans[k].Start, l.from)
			if t.alone(k) || end.After(at) && at.Before(l.till) {
				continue // nobody waited for it, or it ran beside the one that was taken
			}
			if end = earlier(end, at); !end.After(begin) {
				continue
			}
			path[l.i] += at.Sub(end)
			stack = append(stack, leg{k, begin, end})
			at = begin
		}
		if rest := at.Sub(l.from); rest > 0 {
			path[l.i] += rest
		}
	}
	for i, d := range path {
		if d <= 0 {
			path[i] = 1 // on the path, for no time that was measured
		}
	}
	return path
}

// byEnd returns the children of a span, the one that ended last first.
func (t *tree) byEnd(i int) []int {
	kids := slices.Clone(t.kids[i])
	slices.SortStableFunc(kids, func(a, b int) int { return ends(&t.spans[b]).Compare(ends(&t.spans[a])) })
	return kids
}

func ends(s *telemetry.Span) time.Time { return s.Start.Add(max(s.Duration, 0)) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
