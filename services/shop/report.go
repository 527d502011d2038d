package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// result is what a load came to. Durations are milliseconds.
type result struct {
	Orders     int         `json:"orders"`
	Seconds    float64     `json:"seconds"`
	Accepted   int         `json:"accepted"`
	Retried    int         `json:"retried"` // answered, but not at the first try
	Lost       []string    `json:"lost,omitempty"`
	Wrong      []string    `json:"wrong,omitempty"`
	Rows       []row       `json:"latency"`
	Invariants []invariant `json:"invariants,omitempty"`
}

// row is the latency of one kind of order: until it was answered, and until it was settled.
type row struct {
	Kind    string `json:"kind"`
	Outcome string `json:"outcome"`
	Count   int    `json:"count"`
	Answer  spread `json:"answered_ms"`
	Settled spread `json:"settled_ms"`
}

type spread struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// expected is what becomes of each kind of order when nothing is lost.
var expected = map[string]string{fine: "confirmed", flaky: "confirmed", tooMuch: "rejected", poor: "rejected"}

// sum makes the result. Lost is what was not answered, or was accepted and never settled; wrong is what
// ended otherwise than it should.
func sum(all []placed, took time.Duration) result {
	r := result{Orders: len(all), Seconds: took.Seconds()}
	groups := map[[2]string][]placed{}
	for _, p := range all {
		if p.accepted {
			r.Accepted++
		}
		if p.tries > 1 && p.accepted {
			r.Retried++
		}
		switch {
		case p.status == "" || p.status == "pending":
			r.Lost = append(r.Lost, fmt.Sprintf("%s: %s", p.body.ID, cmp.Or(p.why(), "still pending")))
		case p.status != expected[p.kind]:
			r.Wrong = append(r.Wrong, fmt.Sprintf("%s: %s, %s", p.body.ID, p.kind, p.status))
		}
		key := [2]string{p.kind, cmp.Or(p.status, "unanswered")}
		groups[key] = append(groups[key], p)
	}
	for key, ps := range groups {
		r.Rows = append(r.Rows, row{
			Kind: key[0], Outcome: key[1], Count: len(ps),
			Answer:  spreadOf(ps, func(p placed) time.Duration { return p.answered }),
			Settled: spreadOf(ps, func(p placed) time.Duration { return p.settled }),
		})
	}
	slices.SortFunc(r.Rows, func(a, b row) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Outcome, b.Outcome))
	})
	return r
}

func (p placed) why() string {
	if p.err == nil {
		return ""
	}
	return p.err.Error()
}

func spreadOf(ps []placed, of func(placed) time.Duration) spread {
	ds := make([]float64, len(ps))
	for i, p := range ps {
		ds[i] = float64(of(p).Microseconds()) / 1000
	}
	slices.Sort(ds)
	at := func(q float64) float64 { return ds[min(int(q*float64(len(ds))), len(ds)-1)] }
	return spread{at(.5), at(.95), at(.99), ds[len(ds)-1]}
}

// err says what went wrong, if anything did.
func (r result) err() error {
	switch {
	case !held(r.Invariants):
		return errViolated
	case len(r.Lost) > 0 || len(r.Wrong) > 0:
		return errLost
	}
	return nil
}

func (l *load) print(r result) error {
	if l.asJSON {
		return json.NewEncoder(l.out).Encode(r)
	}
	w := tabwriter.NewWriter(l.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(l.out, "%d orders in %.1f s, %d accepted, %d only after a retry\n\n", r.Orders, r.Seconds, r.Accepted, r.Retried)
	fmt.Fprintln(w, "order\toutcome\tcount\tanswered p50\tp95\tp99\tmax\tsettled p50\tp99\tmax\t")
	for _, o := range r.Rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", o.Kind, o.Outcome, o.Count, ms(o.Answer.P50), ms(o.Answer.P95),
			ms(o.Answer.P99), ms(o.Answer.Max), ms(o.Settled.P50), ms(o.Settled.P99), ms(o.Settled.Max))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	few(l.out, "lost", r.Lost)
	few(l.out, "ended wrong", r.Wrong)
	if r.Invariants != nil {
		fmt.Fprintln(l.out)
		printInvariants(l.out, r.Invariants)
	}
	return nil
}

// ms is a latency for people.
func ms(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.2f s", v/1000)
	}
	return fmt.Sprintf("%.0f ms", v)
}

// few prints the first of many.
func few(w io.Writer, what string, all []string) {
	const shown = 10
	for i, s := range all {
		if i == shown {
			fmt.Fprintf(w, "%s: and %d more\n", what, len(all)-shown)
			return
		}
		fmt.Fprintf(w, "%s: %s\n", what, s)
	}
}
