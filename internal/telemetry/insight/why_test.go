package insight

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"msctl.dev/msctl/internal/telemetry"
)

// order weaves one request through gateway, orders and payments. extra is time on the edge to payments.
func order(w *weave, after, extra time.Duration, instrumented bool, attrs ...string) {
	w.begin(after)
	e := w.edge(none, "", "gateway", "POST /orders", 0, 40*ms+extra)
	g := w.edge(e, "gateway", "orders", "POST /orders", 2*ms, 38*ms+extra)
	if instrumented {
		g = w.span(g, "orders", "POST /orders", telemetry.Server, 3*ms, 37*ms+extra)
	}
	w.edge(g, "orders", "stock", "GET /stock", 4*ms, 9*ms)
	p := w.edge(g, "orders", "payments", "POST /charge", 10*ms, 30*ms+extra, attrs...)
	if instrumented {
		w.span(p, "payments", "POST /charge", telemetry.Server, 11*ms+extra, 29*ms+extra)
	}
}

// asked splits what was woven into before and after a minute past noon.
func asked(w *weave) (*Window, *Window) {
	var before, after []telemetry.Span
	for _, s := range w.spans {
		if s.Start.Before(noon.Add(time.Minute)) {
			before = append(before, s)
		} else {
			after = append(after, s)
		}
	}
	a := Of(after)
	a.Since, a.Until = noon.Add(time.Minute), noon.Add(2*time.Minute)
	return Of(before), a
}

func TestWhySlow(t *testing.T) {
	for _, instrumented := range []bool{true, false} {
		var w weave
		for i := range 10 {
			order(&w, time.Duration(i)*time.Second, 0, instrumented)
			order(&w, time.Minute+time.Duration(i)*time.Second, 300*ms, instrumented, "msctl.faults", "latency 300ms")
		}
		before, after := asked(&w)
		got := Why(Question{Asked: after, Before: before})
		if got.Slow != 10 || got.Failed != 0 || got.Total != 10 {
			t.Errorf("%+v", got)
		}
		if len(got.Causes) != 1 || got.Causes[0].Subject != "orders:payments" || got.Causes[0].Score < 0.99 {
			t.Fatalf("instrumented %v: %+v", instrumented, got.Causes)
		}
		said := strings.Join(got.Causes[0].Evidence, "\n")
		for _, want := range []string{"latency 300ms", "usually"} {
			if !strings.Contains(said, want) {
				t.Errorf("evidence lacks %q:\n%s", want, said)
			}
		}
	}
}

// TestWhySlowWithoutPast takes the faster requests for the usual ones.
func TestWhySlowWithoutPast(t *testing.T) {
	var w weave
	for i := range 10 {
		order(&w, time.Minute+time.Duration(i)*time.Second, time.Duration(i/7)*300*ms, true)
	}
	_, after := asked(&w)
	got := Why(Question{Asked: after})
	if got.Slow != 3 || len(got.Causes) != 1 || got.Causes[0].Subject != "orders:payments" {
		t.Errorf("%+v", got)
	}
}

// TestWhyNothing does not name anybody where all is well.
func TestWhyNothing(t *testing.T) {
	var w weave
	for i := range 10 {
		order(&w, time.Duration(i)*10*time.Second, time.Duration(i%3)*ms, true)
	}
	before, after := asked(&w)
	if got := Why(Question{Asked: after, Before: before}); len(got.Causes) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhyFailed(t *testing.T) {
	for name, c := range map[string]struct {
		attrs []string
		want  string
	}{
		"refused":           {[]string{"failed", "connection refused"}, "orders:payments"},
		"answered with 500": {[]string{"failed", "500", "http.response.status_code", "500"}, "payments"},
		"a fault's 500":     {[]string{"failed", "500", "http.response.status_code", "500", "msctl.faults", "abort"}, "orders:payments"},
	} {
		t.Run(name, func(t *testing.T) {
			var w weave
			order(&w, time.Minute, 0, false)
			w.begin(time.Minute)
			e := w.edge(none, "", "gateway", "POST /orders", 0, 40*ms, "failed", "502", "http.response.status_code", "502")
			g := w.edge(e, "gateway", "orders", "POST /orders", 2*ms, 38*ms, "failed", "502", "http.response.status_code", "502")
			w.edge(g, "orders", "payments", "POST /charge", 3*ms, 9*ms, c.attrs...)
			_, after := asked(&w)
			got := Why(Question{Asked: after, Facts: []telemetry.Fact{
				{Time: noon.Add(55 * time.Second), Subject: "payments-2", Text: "payments-2 exited with 1"},
				{Time: noon.Add(55 * time.Second), Subject: "stock", Text: "stock exited with 1"},
			}})
			if got.Failed != 1 || len(got.Causes) != 1 || got.Causes[0].Subject != c.want {
				t.Fatalf("%+v", got)
			}
			said := strings.Join(got.Causes[0].Evidence, "\n")
			if !strings.Contains(said, "payments-2 exited") || strings.Contains(said, "stock exited") {
				t.Errorf("evidence:\n%s", said)
			}
		})
	}
}

func TestMap(t *testing.T) {
	var w weave
	order(&w, 0, 0, true)
	order(&w, time.Second, 0, true, "failed", "refused")
	m := Map(flows(t, w.spans), shop(), noon, noon.Add(time.Minute))
	var got []string
	for _, e := range m.Edges {
		line := e.From + ":" + e.To
		if e.Seen {
			line += " seen"
		}
		if e.Errors > 0 {
			line += " failed"
			if !slices.Contains(e.Traces, w.trace.String()) {
				t.Errorf("%s has traces %q", line, e.Traces)
			}
		}
		got = append(got, line)
	}
	want := []string{":gateway seen", "gateway:orders seen", "mailer:broker", "orders:broker", "orders:orders-db", "orders:payments seen failed", "orders:stock seen"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, n := range m.Nodes {
		if n.Name == "payments" && (n.Count != 2 || n.Errors != 1 || n.P50 != 20*ms) {
			t.Errorf("payments: %+v", n)
		}
	}
}

func TestCompare(t *testing.T) {
	var w weave
	for i := range 4 {
		order(&w, time.Duration(i)*time.Second, 0, false)
		order(&w, time.Minute+time.Duration(i)*time.Second, 50*ms, false)
	}
	before, after := asked(&w)
	rows := Compare(before, after)
	if r := rows[0]; r.Service != "orders:payments" || r.SelfA != 20*ms || r.SelfB != 70*ms || r.CountA != 4 {
		t.Errorf("%+v", r)
	}
}

// list is a source in memory.
type list []telemetry.Span

func (l list) ScanKeys(_ context.Context, _, _ time.Time, _ []string, fn func(*telemetry.Span) bool) error {
	for i := range l {
		if !fn(&l[i]) {
			break
		}
	}
	return nil
}

func TestLookIsBounded(t *testing.T) {
	spans := make(list, maxSpans+1)
	for i := range spans {
		spans[i] = telemetry.Span{Trace: telemetry.TraceID{byte(i), byte(i >> 8)}, Start: noon}
	}
	w, err := Look(t.Context(), spans, time.Time{}, noon)
	if err != nil || !w.Truncated {
		t.Errorf("truncated %v, %v", w.Truncated, err)
	}
}

// TestWhySlowBehind finds what is slow after the answer was given.
func TestWhySlowBehind(t *testing.T) {
	var w weave
	for _, begins := range []time.Duration{20 * ms, 7 * ms} { // when all is answered, or while it is
		for i := range 20 {
			extra := time.Duration(i/10) * 300 * ms
			w.begin(time.Duration(i/10)*time.Minute + time.Duration(i%10)*time.Second)
			e := w.edge(none, "", "gateway", "POST /orders", 0, 9*ms)
			o := w.edge(e, "gateway", "orders", "POST /orders", ms, 8*ms)
			w.edge(o, "orders", "payments", "POST /charge", begins, begins+5*ms+extra)
		}
		before, after := asked(&w)
		got := Why(Question{Asked: after, Before: before})
		if got.Slow != 10 || len(got.Causes) != 1 || got.Causes[0].Subject != "orders:payments" {
			t.Errorf("begun after %v: %+v", begins, got)
		}
		w.spans = nil
	}
}

// TestWhyShowsTheWorst names the trace first in which a delay was longest.
func TestWhyShowsTheWorst(t *testing.T) {
	var w weave
	long := ""
	for i, took := range []time.Duration{5 * ms, 5 * ms, 5 * ms, 5 * ms, 60 * ms, 300 * ms, 70 * ms} {
		w.begin(time.Duration(i) * time.Second)
		root := w.span(none, "gateway", "GET /", telemetry.Server, 0, took+10*ms)
		w.edge(root, "gateway", "orders", "GET /orders", 5*ms, took+5*ms)
		if took == 300*ms {
			long = w.trace.String()
		}
	}
	causes := Why(Question{Asked: Of(w.spans)}).Causes
	if len(causes) == 0 || causes[0].Subject != "gateway:orders" || causes[0].Traces[0] != long {
		t.Errorf("got %+v, want gateway:orders first with %s", causes, long)
	}
}

// TestWhyFaultWithoutPast names a fault that acts, though nothing is known of what was usual.
func TestWhyFaultWithoutPast(t *testing.T) {
	var w weave
	for i := range 6 {
		order(&w, time.Minute+time.Duration(i)*time.Second, 700*ms, i%2 == 0, "msctl.faults", "latency 700ms")
	}
	_, after := asked(&w)
	got := Why(Question{Asked: after})
	if got.Slow != 6 || len(got.Causes) != 1 || got.Causes[0].Subject != "orders:payments" {
		t.Errorf("%+v", got)
	}
}

// TestWhyCircuit leads requests that failed without a call back to the edge that opened the circuit.
func TestWhyCircuit(t *testing.T) {
	var w weave
	for i := range 6 {
		w.begin(time.Minute + time.Duration(i)*time.Second)
		e := w.edge(none, "", "gateway", "POST /orders", 0, 40*ms, "failed", "502", "http.response.status_code", "502")
		s := w.span(e, "gateway", "POST /orders", telemetry.Server, ms, 39*ms, "failed", "circuit open")
		if i < 2 {
			w.edge(s, "gateway", "orders", "POST /orders", 2*ms, 3*ms, "failed", "connection refused", "msctl.faults", "refuse")
		}
	}
	_, after := asked(&w)
	got := Why(Question{Asked: after})
	if len(got.Causes) != 1 || got.Causes[0].Subject != "gateway:orders" || got.Causes[0].Score != 1 {
		t.Fatalf("%+v", got.Causes)
	}
	if said := strings.Join(got.Causes[0].Evidence, "\n"); !strings.Contains(said, "4 more failed in gateway") {
		t.Errorf("evidence:\n%s", said)
	}
}

// TestWhyRetries does not blame who waits between tries for the time that this takes.
func TestWhyRetries(t *testing.T) {
	var w weave
	for i := range 6 {
		w.begin(time.Duration(i/3)*time.Minute + time.Duration(i)*time.Second)
		extra := time.Duration(i/3) * 4 * time.Second
		m := w.span(none, "mailer", "process email.queue", telemetry.Consumer, 0, 30*ms+extra)
		if extra > 0 {
			w.span(m, "mailer", "send mail", telemetry.Client, 5*ms, 10*ms, "edge", "mailer:mail", "failed", "connection refused")
		}
	}
	before, after := asked(&w)
	got := Why(Question{Asked: after, Before: before})
	if len(got.Causes) != 1 || got.Causes[0].Subject != "mailer:mail" {
		t.Errorf("%+v", got.Causes)
	}
}

// TestWhyRefused does not take an answer such as 404, or what gRPC has for it, for a failure; a span that the
// caller ends with an error is OpenTelemetry's way, and the callee did what it should.
func TestWhyRefused(t *testing.T) {
	for _, c := range []struct {
		attr, code string
		failed     int
	}{
		{"http.response.status_code", "404", 0},
		{"http.response.status_code", "402", 0},
		{"http.response.status_code", "503", 1},
		{"rpc.response.status_code", "FAILED_PRECONDITION", 0},
		{"rpc.response.status_code", "UNAVAILABLE", 1},
		{"rpc.grpc.status_code", "9", 0},
		{"rpc.grpc.status_code", "13", 1},
	} {
		var w weave
		w.begin(time.Minute)
		e := w.edge(none, "", "gateway", "GET /orders/{id}", 0, 9*ms, c.attr, c.code)
		w.span(e, "gateway", "call", telemetry.Client, ms, 8*ms, "failed", c.code, c.attr, c.code)
		_, after := asked(&w)
		if got := Why(Question{Asked: after}); got.Failed != c.failed || len(got.Causes) != c.failed {
			t.Errorf("%s %s: %+v", c.attr, c.code, got)
		}
	}
}
