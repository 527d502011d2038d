package insight

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// kinds lists what was found as "kind subject".
func kinds(fs []telemetry.Finding) []string {
	var out []string
	for _, f := range fs {
		out = append(out, f.Kind+" "+f.Subject)
	}
	slices.Sort(out)
	return out
}

func TestFindings(t *testing.T) {
	// served begins a trace in which orders serves a request, and returns its span.
	served := func(w *weave, long time.Duration) telemetry.SpanID {
		w.begin(time.Duration(w.next) * time.Second)
		e := w.edge(none, "gateway", "orders", "POST /orders", 0, long)
		return w.span(e, "orders", "POST /orders", telemetry.Server, ms, long-ms)
	}
	for name, c := range map[string]struct {
		weave func(w *weave)
		want  string // "" nothing
	}{
		"n+1": {func(w *weave) {
			r := served(w, 100*ms)
			for i := range time.Duration(5) {
				w.edge(r, "orders", "stock", "GET /stock/{id}", (10+i)*ms, (11+i)*ms)
			}
		}, "n+1 orders:stock"},
		"four are few": {func(w *weave) {
			r := served(w, 100*ms)
			for i := range time.Duration(4) {
				w.edge(r, "orders", "stock", "GET /stock/{id}", (10+i)*ms, (11+i)*ms)
			}
		}, ""},
		"n+1 of statements, told by both sides": {func(w *weave) {
			r := served(w, 100*ms)
			for i := range time.Duration(6) {
				c := w.span(r, "orders", "SELECT items", telemetry.Client, (10+i)*ms, (11+i)*ms,
					"db.query.text", "SELECT * FROM items WHERE id = ?", "server.address", "localhost", "server.port", "7002")
				w.edge(r, "orders", "orders-db", "SELECT items", (10+i)*ms, (11+i)*ms, "db.query.text", "SELECT * FROM items WHERE id = ?")
				_ = c
			}
		}, "n+1 orders:orders-db"},
		"n+1 of which the edge missed one": {func(w *weave) {
			r := served(w, 100*ms)
			for i := range time.Duration(6) {
				w.span(r, "orders", "SELECT items", telemetry.Client, (10+2*i)*ms, (11+2*i)*ms,
					"db.query.text", "SELECT * FROM items WHERE id = 7", "db.system.name", "postgresql", "server.address", "localhost", "server.port", "7002")
				if i > 0 {
					w.edge(r, "orders", "orders-db", "SELECT items", (10+2*i)*ms, (11+2*i)*ms, inferred, "true", "db.query.text", "SELECT * FROM items WHERE id = ?")
				}
			}
		}, "n+1 orders:orders-db"},
		"n+1 of which half is matched": {func(w *weave) {
			r := served(w, 100*ms)
			for i := range time.Duration(12) {
				late := 20 * ms * (i % 2) // the edge's clock
				w.span(r, "orders", "SELECT items", telemetry.Client, (10+2*i)*ms, (11+2*i)*ms,
					"db.query.text", "SELECT * FROM items WHERE id = 7", "db.system.name", "postgresql", "server.address", "localhost", "server.port", "7002")
				w.edge(r, "orders", "orders-db", "SELECT items", (40+2*i)*ms-30*ms+late, (41+2*i)*ms-30*ms+late, inferred, "true", "db.query.text", "SELECT * FROM items WHERE id = ?")
			}
		}, "n+1 orders:orders-db"},
		"n+1 that each side ties to its own span of the request": {func(w *weave) {
			r := served(w, 100*ms)
			e := w.spans[len(w.spans)-2].ID
			for i := range time.Duration(6) {
				w.span(r, "orders", "SELECT items", telemetry.Client, (10+2*i)*ms, (11+2*i)*ms,
					"db.query.text", "SELECT * FROM items WHERE id = 7", "db.system.name", "postgresql", "server.address", "localhost", "server.port", "7002")
				w.edge(e, "orders", "orders-db", "SELECT items", (50+2*i)*ms, (51+2*i)*ms, "db.query.text", "SELECT * FROM items WHERE id = ?")
			}
		}, "n+1 orders:orders-db"},
		"transactions are no n+1": {func(w *weave) {
			r := served(w, 100*ms)
			for i := range time.Duration(6) {
				w.edge(r, "orders", "orders-db", "BEGIN", (10+i)*ms, (11+i)*ms)
			}
		}, ""},
		"chatty": {func(w *weave) {
			r := served(w, 100*ms)
			for i := range time.Duration(16) {
				w.edge(r, "orders", "stock", fmt.Sprintf("GET /part/%d", i%4), (10+i)*ms, (11+i)*ms)
			}
		}, "chatty orders:stock"},
		"retry storm": {func(w *weave) {
			r := served(w, 100*ms)
			for i := range time.Duration(3) {
				w.edge(r, "orders", "payments", "POST /charge", (10+i)*ms, (11+i)*ms, "failed", "503")
			}
		}, "retry-storm orders:payments"},
		"five tries that wait longer each time": {func(w *weave) {
			r := served(w, 4*time.Second)
			for _, at := range []time.Duration{10, 110, 310, 710, 1510} {
				w.edge(r, "orders", "payments", "POST /charge", at*ms, (at+1)*ms, "failed", "503")
			}
		}, ""},
		"one retry is fine": {func(w *weave) {
			r := served(w, 100*ms)
			w.edge(r, "orders", "payments", "POST /charge", 10*ms, 11*ms, "failed", "503")
			w.edge(r, "orders", "payments", "POST /charge", 20*ms, 21*ms)
		}, ""},
		"no timeout": {func(w *weave) {
			r := served(w, 12*time.Second)
			w.edge(r, "orders", "payments", "POST /charge", 10*ms, 11*time.Second)
		}, "no-timeout gateway:orders,no-timeout orders:payments"},
		"deep chain": {func(w *weave) {
			w.begin(0)
			p := none
			names := []string{"gateway", "orders", "payments", "stock", "mailer", "gateway"}
			for i := range time.Duration(5) {
				e := w.edge(p, names[i], names[i+1], "GET /", i*ms, (50-i)*ms)
				p = w.span(e, names[i+1], "GET /", telemetry.Server, i*ms, (50-i)*ms)
			}
		}, "cycle gateway,deep-chain mailer:gateway,undeclared mailer:gateway,undeclared payments:stock,undeclared stock:mailer"},
		"sequential": {func(w *weave) {
			r := served(w, 100*ms)
			for i, to := range []string{"payments", "stock", "mailer"} {
				at := time.Duration(i) * 30 * ms
				w.edge(r, "orders", to, "GET /", 2*ms+at, 30*ms+at)
			}
		}, "sequential orders,undeclared orders:mailer"},
		"cycle": {func(w *weave) {
			r := served(w, 100*ms)
			w.edge(r, "orders", "gateway", "GET /", 10*ms, 20*ms)
		}, "cycle gateway,undeclared orders:gateway"},
		"shared database": {func(w *weave) {
			r := served(w, 100*ms)
			w.edge(r, "orders", "orders-db", "SELECT orders", 10*ms, 20*ms)
			w.edge(none, "stock", "orders-db", "SELECT orders", 10*ms, 20*ms)
		}, "shared-database orders-db,undeclared stock:orders-db"},
		"lost context": {func(w *weave) {
			served(w, 100*ms)
			at := w.at
			w.begin(0)
			w.at = at
			w.edge(none, "orders", "stock", "GET /stock", 10*ms, 20*ms)
		}, "lost-context orders:stock"},
		"a call between requests begins a trace rightly": {func(w *weave) {
			served(w, 100*ms)
			at := w.at
			w.begin(0)
			w.at = at
			w.edge(none, "orders", "stock", "GET /stock", 200*ms, 220*ms)
		}, ""},
		"undeclared, past the mesh": {func(w *weave) {
			r := served(w, 100*ms)
			w.span(r, "mailer", "GET", telemetry.Client, 10*ms, 20*ms, "server.address", "127.0.0.1", "server.port", "7001")
		}, "undeclared mailer:payments"},
	} {
		t.Run(name, func(t *testing.T) {
			var w weave
			c.weave(&w)
			var got string
			for _, k := range kinds(Of(w.spans).Findings(shop(), Limits{})) {
				if kind := k[:min(len(k), 6)]; kind == "silent" {
					continue
				}
				if got != "" {
					got += ","
				}
				got += k
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestSilent(t *testing.T) {
	var w weave
	w.begin(0)
	e := w.edge(none, "gateway", "orders", "GET /", 0, 9*ms)
	w.span(e, "orders", "GET /", telemetry.Server, ms, 8*ms)
	w.edge(e, "orders", "stock", "GET /", 2*ms, 3*ms)
	got := kinds(Of(w.spans).Findings(shop(), Limits{}))
	if want := []string{"silent stock"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFindingsAdd says how many traces show a finding, and names a few.
func TestFindingsAdd(t *testing.T) {
	var w weave
	for range 7 {
		w.begin(0)
		e := w.edge(none, "gateway", "orders", "GET /", 0, 90*ms)
		for i := range time.Duration(9) {
			w.edge(e, "orders", "stock", "GET /stock/{id}", i*ms, (i+1)*ms)
		}
	}
	for _, f := range Of(w.spans).Findings(shop(), Limits{}) {
		if f.Kind == "n+1" && (f.Count != 7 || len(f.Traces) != examples) {
			t.Errorf("got %+v", f)
		}
	}
}
