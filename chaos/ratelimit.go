package chaos

import (
	"fmt"
	"sync"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var rateLimit = Kind{
	Name:      "rate-limit",
	Doc:       "requests above so many in a second are answered 429 with Retry-After, over gRPC RESOURCE_EXHAUSTED",
	Layer:     HTTP,
	Match:     byRequest,
	Protocols: overHTTP,
	Params: []Param{
		{Name: "most", Doc: "requests in one second; 0 lets none through", Type: Count, Default: "0"},
		{Name: "retry-after", Doc: "when the caller is told to come again", Type: Duration, Default: "1s"},
	},
	Example: "web:orders rate-limit=10",
	New: func(a Args) (proxy.Fault, error) {
		l := limit{most: a.Count("most"), after: a.Duration("retry-after")}
		return askEach(a, fmt.Sprintf("rate-limit %d/s", l.most), func(q *proxy.Request, _ uint64) (proxy.Action, bool) {
			return l.ask(q, time.Now())
		})
	},
}

// limit counts the requests of one second.
type limit struct {
	most  int
	after time.Duration

	mu    sync.Mutex
	since time.Time
	n     int
}

func (l *limit) ask(q *proxy.Request, now time.Time) (proxy.Action, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= time.Second {
		l.since, l.n = now, 0
	}
	if l.n++; l.n <= l.most {
		return proxy.Action{}, false
	}
	if q.Protocol == "grpc" {
		return proxy.Action{Reply: &proxy.Reply{Code: 8, Text: "too many requests"}}, true
	}
	return proxy.Action{Reply: &proxy.Reply{Status: 429, Body: "too many requests\n", Header: []proxy.Header{retryAfter(l.after)}}}, true
}
