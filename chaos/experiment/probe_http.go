package experiment

import (
	"context"
	"fmt"
	"time"
)

// httpProbe is the answer of a service to one request.
type httpProbe struct{ call }

func (p *httpProbe) look(ctx context.Context, w *world) Sight {
	base, err := p.base(ctx, w)
	if err != nil {
		return missed(err)
	}
	a, err := p.send(ctx, w, base, nil)
	if err != nil {
		return missed(err)
	}
	s := judged(fmt.Sprintf("%d in %s", a.status, a.took.Round(100*time.Microsecond)), p.judge(w, a, nil))
	if id := traceOf(a.header.Get("Traceparent")); id != "" {
		s.Traces = []string{id}
	}
	return s
}

// traceOf takes the id out of a traceparent.
func traceOf(parent string) string {
	if len(parent) == 55 {
		return parent[3:35]
	}
	return ""
}
