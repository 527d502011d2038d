package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/telemetry"
)

// show tells people what a search found.
func (x *exploring) show(ctx context.Context, r explore.Result, files []string) {
	s := x.screenOf(x.Out)
	for i, f := range r.Found {
		x.showFound(ctx, s, r, f, files[i])
	}
	sum := effort(r)
	switch {
	case len(r.Found) == 0 && r.Complete:
		fmt.Fprintf(s, "%s\nno set of at most %s of these modes breaks these invariants: %s\n", sum, count(r.Faults, "fault"), strings.Join(x.o.modes, ", "))
	case !r.Complete:
		fmt.Fprintf(s, "%s\n%s: %s tried; the same command goes on from there\n", sum, clean(r.Why), tried(r.Faults))
	default:
		fmt.Fprintln(s, sum)
	}
}

// effort says how many runs were made, and how many not.
func effort(r explore.Result) string {
	sum := count(r.Counts.Runs, "run")
	if calls := len(r.Clean.Calls); calls > 0 { // they are known behind the runs without faults
		sum += " of " + count(calls, "call") + " each"
	}
	sum += " made"
	if left := r.Counts.Known + r.Counts.Merged + r.Counts.Broken; left > 0 {
		sum += fmt.Sprintf("; %s left out: %d known, %d with an effect that was seen, %d broken already",
			count(left, "run"), r.Counts.Known, r.Counts.Merged, r.Counts.Broken)
		if r.Counts.Known+r.Counts.Merged > 0 {
			sum += " (--thorough makes the first two)"
		}
	}
	if r.Counts.Idle > 0 {
		sum += fmt.Sprintf("; in %s a fault met no call", count(r.Counts.Idle, "run"))
	}
	return sum
}

func (x *exploring) showFound(ctx context.Context, s screen, r explore.Result, f explore.Found, file string) {
	fmt.Fprintln(s, s.paint(bold, fmt.Sprintf("%s what must hold, %d of %d times again", breakings(len(f.Set)), f.Times, f.Tries)))
	for _, one := range f.Set {
		fmt.Fprintf(s, "  %s  %s  %s\n", s.paint(red, one.Mode), clean(one.Edge), clean(one.Point.Last()))
	}
	for _, b := range f.Run.Broken {
		fmt.Fprintf(s, "  %s\n", s.paint(red, "✗ "+clean(b)))
	}
	fmt.Fprintln(s)
	width := min(s.width, 160)
	x.beside(s, width, x.drawn(ctx, s, width, "without faults", r.Clean.Trace), x.drawn(ctx, s, width, "with them", f.Run.Trace))
	fmt.Fprintf(s, "\nReplay: msctl chaos run %s\n\n", file)
}

// tried says how far a search came that tried all sets of at most so many faults.
func tried(n int) string {
	if n == 0 {
		return "not every fault was"
	}
	return "all sets of at most " + count(n, "fault") + " were"
}

// breakings is so many faults with what they do.
func breakings(n int) string {
	if n == 1 {
		return "1 fault breaks"
	}
	return count(n, "fault") + " together break"
}

// drawn is the waterfall of the calls of a trace over edges, as lines.
func (x *exploring) drawn(ctx context.Context, s screen, width int, title, id string) []string {
	var b bytes.Buffer
	half := screen{Writer: &b, colour: s.colour, width: halfOf(width)}
	fmt.Fprintln(half, half.paint(bold, title))
	tr, err := x.site.Telemetry.Trace(ctx, id)
	if err != nil {
		fmt.Fprintln(half, clean(err.Error()))
	} else {
		drawTrace(half, overEdges(tr), false)
	}
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// sideBySide is from how many columns on two waterfalls stand beside each other.
const sideBySide = 110

func halfOf(width int) int {
	if width < sideBySide {
		return width
	}
	return (width - 3) / 2
}

// beside writes lines beside others, or below where the screen is narrow.
func (x *exploring) beside(s screen, width int, left, right []string) {
	if width < sideBySide {
		for _, l := range append(append(left, ""), right...) {
			fmt.Fprintln(s, l)
		}
		return
	}
	for i := range max(len(left), len(right)) {
		l, r := "", ""
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		gap := strings.Repeat(" ", max(0, halfOf(width)-ansi.StringWidth(l)))
		fmt.Fprintln(s, strings.TrimRight(l+gap+" │ "+r, " "))
	}
}

// overEdges is a trace with nothing but the calls over edges.
func overEdges(tr telemetry.Trace) telemetry.Trace {
	out := tr
	out.Rows, out.Partial = nil, false
	var depths []int // of the edge rows above, by their depth in the whole
	for _, r := range tr.Rows {
		for len(depths) > 0 && depths[len(depths)-1] >= r.Depth {
			depths = depths[:len(depths)-1]
		}
		if r.Edge == "" || r.Scope != edgeScope {
			continue
		}
		depth := len(depths)
		depths = append(depths, r.Depth)
		r.Depth, r.Orphan, r.Guessed = depth, false, false
		out.Rows = append(out.Rows, r)
	}
	out.Spans = len(out.Rows)
	return out
}
