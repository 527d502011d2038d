package explore

import (
	"fmt"
	"slices"
	"strings"
)

// loosened are the steps, by their path, whose ordinals say nothing. What is below one goes with it.
func loosened(points []Point) map[Point]bool {
	loose := map[Point]bool{}
	for _, p := range points {
		if !slices.ContainsFunc(points, func(q Point) bool { return q != p && p.within(q) }) {
			loose[bare(p)] = true
		}
	}
	return loose
}

// bare is a point without its last ordinal.
func bare(p Point) Point {
	if i := strings.LastIndex(string(p), " #"); i >= 0 && !strings.Contains(string(p[i:]), between) {
		return p[:i]
	}
	return p
}

// loosen takes the ordinals of loose steps away. Calls that are then the same become one.
func loosen(calls []Call, loose map[Point]bool) []Call {
	if len(loose) == 0 {
		return calls
	}
	var out []Call
	at := map[Point]int{}
	for _, c := range calls {
		p := strip(c.Point, loose)
		if i, twice := at[p]; twice {
			out[i].End = max(out[i].End, c.End)
			continue
		}
		if p != c.Point && loose[p] {
			c.Nth = 0
		}
		c.Point, c.Parent = p, strip(c.Parent, loose)
		at[p] = len(out)
		out = append(out, c)
	}
	return out
}

// strip takes away the ordinals of the loose steps of one path.
func strip(p Point, loose map[Point]bool) Point {
	if p == "" {
		return p
	}
	var full, short string
	for i, step := range strings.Split(string(p), between) {
		if i > 0 {
			full, short = full+between, short+between
		}
		full += step
		if b := bare(Point(full)); loose[b] {
			step = strings.TrimSuffix(step, full[len(b):])
		}
		short += step
	}
	return Point(short)
}

// shownNoise is how many points a warning names.
const shownNoise = 3

// unsteady is the warning about calls that are not made in each run, on one line: on a busy machine there are many.
func unsteady(noise []Point) string {
	var steps []string
	for _, p := range noise {
		if last := p.Last(); !slices.Contains(steps, last) {
			steps = append(steps, last)
		}
	}
	text := fmt.Sprintf("%d calls are not made in each run: ", len(noise))
	if len(noise) == 1 {
		text = "1 call is not made in each run: "
	}
	text += strings.Join(steps[:min(len(steps), shownNoise)], ", ")
	if len(steps) > shownNoise {
		text += ", …"
	}
	return text
}
