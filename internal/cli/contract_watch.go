package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/route"
	"msctl.dev/msctl/contracts/traffic"
	"msctl.dev/msctl/internal/stack"
)

func newContractWatch(a *App) *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:   "watch [EDGE…]",
		Short: "Hold the calls of the running fleet against the pacts",
		Long: "watch looks at what goes over the edges between services and says of each kind of call whether a pact knows\n" +
			"it: the operation, and that it is answered like this. It sees method, path and status, of gRPC the method\n" +
			"and code, of messages the key; it sees no bodies, so that a field that is missing is for `contract verify`\n" +
			"to find. Calls that a fault disturbs are left out. It exits with 1 when a call was seen that no pact knows,\n" +
			"and with 4 when none was seen at all.",
		Example: "  msctl contract watch\n  msctl contract watch orders:payments --for 30s\n  msctl contract watch --for 1m --json | jq -r 'select(.finding == \"status\") | .trace'",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return a.edgeNames(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().DurationVar(&o.length, "for", 0, "end after this `DURATION`; 0 is at Ctrl-C")
	o.json = jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, edges []string) error {
		o.edges = edges
		return a.contractWatch(cmd.Context(), o)
	}
	return cmd
}

type watchOptions struct {
	edges  []string
	length time.Duration
	json   *bool
}

// watchEvery is how often the traces are asked for what came.
const watchEvery = time.Second

func (a *App) contractWatch(ctx context.Context, o watchOptions) error {
	st, pacts, err := a.stackAndPacts(o.edges)
	if err != nil {
		return err
	}
	if err := a.mustRun(ctx); err != nil {
		return err
	}
	known, err := a.routesBefore(ctx)
	if err != nil {
		return err
	}
	w := &pactWatch{app: a, opts: o, book: traffic.NewBook(pacts), pacts: pacts, seen: map[string]int{}, used: map[string]bool{}}
	if !*o.json {
		until := "until Ctrl-C"
		if o.length > 0 {
			until = "for " + shortDuration(o.length)
		}
		fmt.Fprintf(a.Err, "watching calls against %s, %s\n", count(len(pacts), "pact"), until)
	}
	over := ctx
	if o.length > 0 {
		var cancel context.CancelFunc
		over, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	err = a.tell(ctx, func(t teller) error {
		r := newTrafficReader(t, st, pacts, time.Now())
		r.routes = known
		return w.run(ctx, over, r)
	})
	if err != nil && ctx.Err() == nil {
		return err
	}
	if err := w.sum(); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case w.odd > 0:
		return silent(1)
	case w.calls == 0:
		return silent(exitUnknown)
	}
	return nil
}

// routesBefore are the routes that services told of in the last day: a call is seen before its provider tells.
func (a *App) routesBefore(ctx context.Context) (*route.Table, error) {
	p, err := a.place()
	if err != nil {
		return nil, err
	}
	spans, err := spansIn(ctx, p, time.Now().Add(-24*time.Hour))
	if err != nil {
		return nil, &codedError{err, exitInfrastructure, ""}
	}
	return spans.Routes(), nil
}

// mustRun refuses a stack that is not up.
func (a *App) mustRun(ctx context.Context) error {
	p, err := a.place()
	if err != nil {
		return err
	}
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	c.Close()
	return nil
}

// stackAndPacts reads both, and refuses edges that are none.
func (a *App) stackAndPacts(edges []string) (*stack.Stack, []contracts.Pact, error) {
	st, err := a.load("")
	if err != nil {
		return nil, nil, err
	}
	if err := checkEdges(edges, st); err != nil {
		return nil, nil, err
	}
	pacts, err := contracts.Load(filepath.Join(st.Dir, contracts.Dir))
	if err != nil {
		return nil, nil, &codedError{err, exitInfrastructure, "`msctl contract test` writes them"}
	}
	return st, pacts, nil
}

// pactWatch is one run of `contract watch`.
type pactWatch struct {
	app   *App
	opts  watchOptions
	book  *traffic.Book
	pacts []contracts.Pact

	seen  map[string]int  // calls, by edge and words
	used  map[string]bool // interactions that were seen, by edge and id
	calls int
	odd   int // those that no pact knows
}

// run reads until over ends, and then what has come meanwhile.
func (w *pactWatch) run(ctx, over context.Context, r *trafficReader) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for last := false; ; {
		calls, err := r.read(ctx, time.Now())
		if err != nil {
			return err
		}
		for _, c := range calls {
			if err := w.take(c); err != nil {
				return err
			}
		}
		if r.missed > 0 && !last {
			fmt.Fprintf(w.app.Err, "more than %d traces came at once: not all were looked at\n", tracesAtOnce)
			r.missed = 0
		}
		if last {
			return nil
		}
		select {
		case <-tick.C:
		case <-over.Done():
			if last = true; ctx.Err() != nil {
				return nil
			}
		}
	}
}

// take judges a call, and tells of it where no such was seen before.
func (w *pactWatch) take(c traffic.Call) error {
	if len(w.opts.edges) > 0 && !slices.Contains(w.opts.edges, c.Edge()) {
		return nil
	}
	v := w.book.Judge(c)
	w.calls++
	if v.Finding != traffic.Known {
		w.odd++
	}
	for _, i := range v.Interactions {
		w.used[c.Edge()+" "+i.ID()] = true
	}
	if v.Operation != "" { // the pact knows better than the path what is an id
		c.Operation = v.Operation
	}
	key := c.Edge() + " " + c.String()
	if w.seen[key]++; w.seen[key] > 1 {
		return nil
	}
	return w.tell(c, v)
}

// watchedCall is one line of --json.
type watchedCall struct {
	Edge         string    `json:"edge"`
	Kind         string    `json:"kind"`
	Operation    string    `json:"operation"`
	Status       string    `json:"status,omitempty"`
	Finding      string    `json:"finding"` // known, no-pact, operation, status
	Interactions []string  `json:"interactions,omitempty"`
	Answers      []string  `json:"answers,omitempty"` // that the pact knows
	Trace        string    `json:"trace"`
	At           time.Time `json:"at"`
}

func (w *pactWatch) tell(c traffic.Call, v traffic.Verdict) error {
	if *w.opts.json {
		line := watchedCall{Edge: c.Edge(), Kind: c.Kind.String(), Operation: c.Operation, Status: c.Status,
			Finding: string(v.Finding), Answers: v.Answers, Trace: c.Trace.String(), At: c.At}
		for _, i := range v.Interactions {
			line.Interactions = append(line.Interactions, i.Title())
		}
		return w.app.jsonLines("call", 1, func(int) any { return line })
	}
	s := w.app.shown()
	sign := s.paint(green, "✓")
	if v.Finding != traffic.Known {
		sign = s.paint(red, "✗")
	}
	_, err := fmt.Fprintf(s, "%s %-24s %s%s\n", sign, c.Edge(), c, s.paint(dim, w.reason(c, v)))
	return err
}

// reason says what a pact lacks.
func (w *pactWatch) reason(c traffic.Call, v traffic.Verdict) string {
	text := ""
	switch v.Finding {
	case traffic.Known:
		return ""
	case traffic.NoPact:
		text = "the edge has no pact"
	case traffic.Operation:
		text = "the pact does not know this"
	case traffic.Status:
		text = "the pact knows " + strings.Join(v.Answers, ", ")
	}
	return "  " + text + "; msctl trace " + c.Trace.String()[:8]
}

// watchedEdge is the end of --json for an edge.
type watchedEdge struct {
	Edge         string   `json:"edge"`
	Interactions int      `json:"interactions"`
	Seen         int      `json:"seen"`
	Unseen       []string `json:"unseen,omitempty"`
}

// sum says of each pact how much of it was seen.
func (w *pactWatch) sum() error {
	var seen, all int
	for _, p := range w.pacts {
		if len(w.opts.edges) > 0 && !slices.Contains(w.opts.edges, p.Edge()) {
			continue
		}
		line := watchedEdge{Edge: p.Edge(), Interactions: len(p.Interactions)}
		for _, i := range p.Interactions {
			if w.used[p.Edge()+" "+i.ID()] {
				line.Seen++
			} else {
				line.Unseen = append(line.Unseen, i.Title())
			}
		}
		seen, all = seen+line.Seen, all+line.Interactions
		if *w.opts.json {
			if err := w.app.jsonLines("edge", 1, func(int) any { return line }); err != nil {
				return err
			}
		}
	}
	if !*w.opts.json {
		fmt.Fprintf(w.app.Err, "%s, %d of them known to no pact; %d of %s seen\n", count(w.calls, "call"), w.odd, seen, count(all, "interaction"))
	}
	return nil
}
