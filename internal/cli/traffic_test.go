package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/traffic"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/telemetry"
)

// growing is a desk with one trace that grows.
type growing struct {
	teller
	whole telemetry.Trace
}

func (g *growing) Traces(context.Context, telemetry.Query) (telemetry.TracePage, error) {
	return telemetry.TracePage{Traces: []telemetry.TraceLine{g.whole.TraceLine}}, nil
}

func (g *growing) Trace(context.Context, string) (telemetry.Trace, error) { return g.whole, nil }

func (g *growing) grow(path, status string) {
	s := telemetry.Span{Edge: "orders:users", Trace: telemetry.TraceID{1}, ID: telemetry.SpanID{byte(len(g.whole.Rows) + 1)}}
	for _, a := range [][2]string{{"http.request.method", "GET"}, {"url.path", path}, {"url.template", path}, {"http.response.status_code", status}} {
		s.Attrs = append(s.Attrs, telemetry.Attr{Key: a[0], Value: a[1]})
	}
	g.whole.Rows = append(g.whole.Rows, telemetry.Row{Span: s})
	g.whole.ID, g.whole.Spans = s.Trace, len(g.whole.Rows)
}

// TestWatch tells of each call once, also of those that a trace gets later, and of each kind of call once.
func TestWatch(t *testing.T) {
	p, err := contracts.Parse([]byte(boardPact), contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var out, story bytes.Buffer
	plain := false
	w := &pactWatch{app: &App{Getenv: func(string) string { return "" }, Dir: t.TempDir(), Out: &out, Err: &story}, opts: watchOptions{json: &plain},
		book: traffic.NewBook([]contracts.Pact{p}), pacts: []contracts.Pact{p}, seen: map[string]int{}, used: map[string]bool{}}
	g := &growing{}
	r := newTrafficReader(g, &stack.Stack{}, w.pacts, time.Time{})
	r.routes.Add(&telemetry.Span{Service: "users", Kind: telemetry.Server, Name: "GET /cards/{card}",
		Attrs: []telemetry.Attr{{Key: "http.request.method", Value: "GET"}}})
	over, stop := context.WithCancel(t.Context())
	stop() // each run reads twice
	for _, c := range [][2]string{{"/users/1", "200"}, {"/users/3", "200"}, {"/users/2", "404"}, {"/users/1", "500"}, {"/cards/a", "200"}, {"/cards/b", "200"}} {
		g.grow(c[0], c[1])
		if err := w.run(t.Context(), over, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.sum(); err != nil {
		t.Fatal(err)
	}
	if w.calls != 6 || w.odd != 3 {
		t.Errorf("%d calls, %d of them odd", w.calls, w.odd)
	}
	text := out.String()
	if strings.Count(text, "\n") != 4 || !strings.Contains(text, "GET /users/{id} → 500  the pact knows 200, 404") ||
		!strings.Contains(text, "GET /cards/{id} → 200  the pact does not know this") {
		t.Errorf("told:\n%s", text)
	}
	if got := story.String(); !strings.Contains(got, "2 of 2 interactions seen") {
		t.Errorf("summed up: %s", got)
	}
}
