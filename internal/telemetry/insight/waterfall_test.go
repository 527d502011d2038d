package insight

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"msctl.dev/msctl/internal/telemetry"
	"pgregory.net/rapid"
)

// draw shows a waterfall in words: depth, name, self time, share of the critical path.
func draw(rows []telemetry.Row) []string {
	var out []string
	for _, r := range rows {
		line := fmt.Sprintf("%s%s self=%v", strings.Repeat("  ", r.Depth), r.Name, r.Self)
		if r.Critical > 0 {
			line += fmt.Sprintf(" critical=%v", r.Critical)
		}
		if r.Orphan {
			line += " orphan"
		}
		out = append(out, line)
	}
	return out
}

func TestWaterfall(t *testing.T) {
	var w weave
	w.begin(0)
	root := w.span(none, "gateway", "root", telemetry.Server, 0, 100*ms)
	b := w.span(root, "gateway", "b", telemetry.Client, 20*ms, 90*ms)
	w.span(root, "gateway", "a", telemetry.Client, 10*ms, 50*ms)    // beside b, and not waited for
	w.span(b, "orders", "served", telemetry.Server, 30*ms, 95*ms)   // closed after its client had the answer
	w.span(b, "mailer", "later", telemetry.Consumer, 85*ms, 300*ms) // runs on; nobody waits
	w.span(telemetry.SpanID{9}, "x", "lost", telemetry.Internal, 5*ms, 6*ms)
	want := []string{
		"root self=20ms critical=30ms",
		"  a self=40ms",
		"  b self=10ms critical=10ms",
		"    served self=65ms critical=60ms",
		"    later self=215ms",
		"lost self=1ms orphan",
	}
	if d := cmp.Diff(want, draw(Waterfall(w.spans))); d != "" {
		t.Error(d)
	}
}

// TestWaterfallOfAnything holds for hostile spans too (I7): each span once, parents before children, no
// self time beyond the span, and a critical path that is no longer than the root.
func TestWaterfallOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "n")
		spans := make([]telemetry.Span, n)
		for i := range spans {
			spans[i] = telemetry.Span{
				ID:       telemetry.SpanID{byte(rapid.IntRange(1, n).Draw(t, "id"))},
				Parent:   telemetry.SpanID{byte(rapid.IntRange(0, n+1).Draw(t, "parent"))},
				Start:    noon.Add(time.Duration(rapid.Int64Range(-100, 100).Draw(t, "start"))),
				Duration: time.Duration(rapid.Int64Range(-5, 100).Draw(t, "duration")),
			}
		}
		rows := Waterfall(spans)
		if len(rows) != n {
			t.Fatalf("%d spans gave %d rows", n, len(rows))
		}
		var critical time.Duration
		for i, r := range rows {
			if r.Self < 0 || r.Self > max(r.Duration, 0) {
				t.Errorf("self %v of %v", r.Self, r.Duration)
			}
			if r.Depth > 0 && (i == 0 || rows[i-1].Depth < r.Depth-1) {
				t.Errorf("row %d of depth %d follows depth %d", i, r.Depth, rows[i-1].Depth)
			}
			if r.Critical > 1 {
				critical += r.Critical
			}
		}
		if n > 0 && critical > max(rows[0].Duration, 0) {
			t.Errorf("critical path %v of %v", critical, rows[0].Duration)
		}
	})
}

// TestDeepTrace does not recurse (I7).
func TestDeepTrace(t *testing.T) {
	var w weave
	w.begin(0)
	parent := none
	for i := range time.Duration(100_000) {
		parent = w.span(parent, "s", "n", telemetry.Internal, i, 200_000-i)
	}
	rows := Waterfall(w.spans)
	if got := rows[len(rows)-1].Depth; got != 99_999 {
		t.Errorf("depth %d", got)
	}
}

func TestLine(t *testing.T) {
	var w weave
	w.begin(0)
	root := w.span(none, "gateway", "GET /", telemetry.Server, 0, 10*ms)
	w.span(root, "orders", "work", telemetry.Server, 5*ms, 30*ms, "failed", "no")
	got := Whole(w.spans).TraceLine
	want := telemetry.TraceLine{ID: w.trace, Service: "gateway", Name: "GET /", Start: noon, Duration: 30 * ms, Spans: 2, Errors: 1, Services: []string{"gateway", "orders"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestNest puts what an edge saw below what the caller says of the same call.
func TestNest(t *testing.T) {
	var w weave
	w.begin(0)
	root := w.span(none, "orders", "root", telemetry.Server, 0, 100*ms)
	w.span(root, "orders", "all", telemetry.Client, 5*ms, 90*ms, "db.system.name", "postgresql")
	w.span(root, "orders", "one", telemetry.Client, 20*ms, 30*ms, "db.system.name", "postgresql")
	w.edge(root, "orders", "orders-db", "SELECT one", 21*ms, 29*ms, inferred, "true")
	w.edge(root, "orders", "orders-db", "SELECT two", 40*ms, 50*ms, inferred, "true")
	w.edge(root, "orders", "orders-db", "SELECT three", 95*ms, 98*ms, inferred, "true")
	var got []string
	for _, r := range Waterfall(w.spans) {
		name := strings.Repeat(" ", r.Depth) + r.Name
		if r.Guessed {
			name += " ~"
		}
		got = append(got, name)
	}
	want := []string{"root", " all", "  SELECT two", " one", "  SELECT one", " SELECT three ~"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestNestMessages puts the work on a message below the edge that delivered it, and what the edges saw
// meanwhile below that work; also where two calls of a kind are so short that the clocks cannot tell.
func TestNestMessages(t *testing.T) {
	var w weave
	w.begin(0)
	sent := w.span(none, "orders", "publish mail", telemetry.Producer, 0, 2*ms)
	taken := w.span(sent, "mailer", "process mail", telemetry.Consumer, 3*ms, 60*ms, "edge", "mailer:broker")
	work := w.span(sent, "mailer", "process mail.queue", telemetry.Consumer, 4*ms, 59*ms)
	w.span(work, "mailer", "publish sent", telemetry.Producer, 20*ms, 22*ms)
	w.span(work, "mailer", "set", telemetry.Client, 20*ms, 21*ms, "db.system", "redis")
	w.span(work, "mailer", "evalsha", telemetry.Client, 21*ms, 23*ms, "db.system", "redis")
	w.edge(taken, "mailer", "cache", "SET", 20*ms+ms/4, 20*ms+ms/2, inferred, "true")
	w.edge(taken, "mailer", "cache", "EVALSHA", 21*ms+ms/4, 21*ms+ms/2, inferred, "true")
	w.edge(taken, "mailer", "mail", "send mail", 30*ms, 50*ms, inferred, "true")
	var got []string
	for _, r := range Waterfall(w.spans) {
		got = append(got, strings.Repeat(" ", r.Depth)+r.Name)
	}
	want := []string{"publish mail", " process mail", "  process mail.queue", "   publish sent", "   set", "    SET", "   evalsha", "    EVALSHA", "   send mail"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
