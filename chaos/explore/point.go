package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Point names one call of a request, the same in every run: the calls that lead to it, each as
// "callee operation #k", the k-th with that callee and operation made for the same call. "" is the request.
type Point string

// between stands between the calls of a path.
const between = " > "

// Call is one call that a run made, as the edges saw it.
type Call struct {
	Point  Point         `json:"point"`
	Parent Point         `json:"parent,omitempty"` // the call that it was made for; "" the request itself
	Edge   string        `json:"edge"`             // "orders:payments/grpc": where it went over
	Op     string        `json:"op"`               // "POST /charge", "SELECT orders", "GET", "publish events"
	Nth    int           `json:"nth"`              // of the calls of the run with that edge and operation, from 1
	Proto  string        `json:"proto"`            // "http", "grpc", "postgres", …
	Kind   string        `json:"kind,omitempty"`   // "" asks, "publish" hands over a message, "consume" is given one
	Dest   string        `json:"dest,omitempty"`   // of a message: where it goes, "events:order.placed", and behind that the queue that it came from
	Start  time.Duration `json:"start"`            // since the run began
	End    time.Duration `json:"end"`
	Got    string        `json:"got"` // what the caller got: "ok", "503", "UNAVAILABLE"
}

// Callee is who the call asks.
func (c Call) Callee() string {
	_, to, _ := strings.Cut(c.Edge, ":")
	to, _, _ = strings.Cut(to, "/")
	return to
}

// Caller is who makes the call; "" is outside.
func (c Call) Caller() string {
	from, _, _ := strings.Cut(c.Edge, ":")
	return from
}

// within reports that p is q, or made for it.
func (p Point) within(q Point) bool {
	return p == q || q == "" || strings.HasPrefix(string(p), string(q)+between)
}

// Last is the last step of the path: "payments POST /charge #1".
func (p Point) Last() string {
	s := string(p)
	if i := strings.LastIndex(s, between); i >= 0 {
		return s[i+len(between):]
	}
	return s
}

// Parent is the call that p was made for; "" is the request.
func (p Point) Parent() Point {
	return p[:max(0, strings.LastIndex(string(p), between))]
}

// Seen is a call before it has a point: Of names the index of the call that it was made for, -1 none.
type Seen struct {
	Call
	Of int
}

// Name gives calls their points and puts them in the order in which they started.
func Name(seen []Seen) []Call {
	points, order := name(seen)
	nth := map[string]int{}
	var out []Call
	for _, i := range order {
		c := seen[i].Call
		key := c.Edge + " " + c.Op
		nth[key]++
		c.Point, c.Nth = points[i], nth[key]
		if of := seen[i].Of; of >= 0 {
			c.Parent = points[of]
		}
		out = append(out, c)
	}
	return out
}

// name returns the point of each call, and their indices in the order in which they started.
func name(seen []Seen) (points []Point, order []int) {
	order = make([]int, len(seen))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(seen[a].Start, seen[b].Start), cmp.Compare(depth(seen, a), depth(seen, b)),
			cmp.Compare(seen[a].Edge+seen[a].Op, seen[b].Edge+seen[b].Op))
	})
	points = make([]Point, len(seen))
	sibling := map[string]int{}
	var point func(i int) Point
	point = func(i int) Point {
		if i < 0 {
			return ""
		}
		if points[i] == "" { // a call that started before the one that it is made for: the clocks are two
			c := seen[i].Call
			step := string(point(seen[i].Of))
			if step != "" {
				step += between
			}
			step += c.Callee() + " " + strings.ReplaceAll(c.Op, between, ">")
			sibling[step]++
			points[i] = Point(fmt.Sprintf("%s #%d", step, sibling[step]))
		}
		return points[i]
	}
	for _, i := range order {
		point(i)
	}
	return points, order
}

// Lost adds the call that a fault has hit and that no edge has seen the end of: nobody answers a message that is lost.
// Those of its kind that were made behind it come after it.
func Lost(seen []Seen, f Fault) []Seen {
	points, order := name(seen)
	lost := Seen{Of: -1, Call: Call{Edge: f.Edge, Op: f.Op, Proto: f.Proto, Got: "lost"}}
	if i := slices.Index(points, f.Point.Parent()); i >= 0 {
		lost.Of = i
	}
	nth := 0
	for _, i := range order {
		lost.Start = seen[i].Start + 1
		if seen[i].Edge != f.Edge || seen[i].Op != f.Op {
			continue
		}
		if nth++; nth >= f.Nth {
			lost.Of, lost.Start = seen[i].Of, seen[i].Start-1
			break
		}
	}
	lost.End = lost.Start
	return append(slices.Clip(seen), lost)
}

// depth is how many calls lead to one.
func depth(seen []Seen, i int) (n int) {
	for ; n < len(seen) && seen[i].Of >= 0; n++ {
		i = seen[i].Of
	}
	return n
}

// Unstable returns the points that only one of two runs without faults has: their calls are not made
// in the same number each time.
func Unstable(a, b []Call) []Point {
	var out []Point
	for _, pair := range [2][2][]Call{{a, b}, {b, a}} {
		for _, c := range pair[0] {
			if !slices.ContainsFunc(pair[1], func(d Call) bool { return c.Point == d.Point }) {
				out = append(out, c.Point)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
