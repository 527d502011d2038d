package telemetry

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// corpus makes traces as a fleet of twelve services sends them: some eleven spans each, ten attributes on
// every span, among them ones that never come twice, and eight on each resource.
type corpus struct {
	r    *rand.Rand
	n    uint32
	base time.Time
}

func newCorpus(seed uint64) *corpus { return &corpus{r: rand.New(rand.NewPCG(seed, 7)), base: noon} }

var (
	fleet  = []string{"gateway", "orders", "payments", "inventory", "users", "catalog", "cart", "shipping", "email", "search", "reviews", "recommend"}
	callee = map[int][]int{0: {1, 4, 5, 9}, 1: {2, 3, 6, 7}, 2: {4}, 5: {10, 11}, 7: {8}, 9: {5}, 11: {5}}
	routes = []string{"/api/list", "/api/item", "/api/create", "/api/update", "/api/stats"}
)

func resourceOf(svc int) []Attr {
	return []Attr{{"service.name", fleet[svc]}, {"service.version", "1.4.2"}, {"service.instance.id", fleet[svc] + "-1"}, {"host.name", "laptop"},
		{"process.pid", int64(4000 + svc)}, {"telemetry.sdk.name", "opentelemetry"}, {"telemetry.sdk.language", "go"}, {"telemetry.sdk.version", "1.38.0"}}
}

func (c *corpus) id() (id SpanID) {
	binary.BigEndian.PutUint64(id[:], c.r.Uint64()|1)
	return id
}

// trace appends the spans of one more trace, a millisecond after the one before.
func (c *corpus) trace(out []Span) []Span {
	c.n++
	var id TraceID
	binary.BigEndian.PutUint64(id[:], c.r.Uint64())
	binary.BigEndian.PutUint32(id[8:], c.n)
	return c.span(out, id, SpanID{}, 0, c.base.Add(time.Duration(c.n)*time.Millisecond), 0)
}

func (c *corpus) one(id TraceID, parent SpanID, svc int, kind Kind, name, route string, start time.Time, d time.Duration) Span {
	s := Span{Trace: id, ID: c.id(), Parent: parent, Service: fleet[svc], Instance: fleet[svc] + "-1", Name: name, Kind: kind, Start: start, Duration: d,
		Scope: "otelhttp", Resource: resourceOf(svc)}
	s.Attrs = []Attr{{"http.request.method", []string{"GET", "GET", "POST"}[c.r.IntN(3)]}, {"http.route", route}, {"url.path", fmt.Sprintf("%s/%d", route, c.r.IntN(1<<20))},
		{"http.response.status_code", int64(200)}, {"server.address", fleet[svc] + ".local"}, {"server.port", int64(8080)}, {"user.id", fmt.Sprintf("u-%05d", c.r.IntN(5000))},
		{"order.id", fmt.Sprintf("o-%09d", c.r.IntN(1<<30))}, {"user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}, {"thread.id", int64(c.r.IntN(32))}}
	if c.r.IntN(50) == 0 {
		s.Status, s.Message, s.Attrs[3].Value = Failed, "upstream returned 500", int64(500)
	}
	return s
}

func (c *corpus) span(out []Span, id TraceID, parent SpanID, svc int, start time.Time, depth int) []Span {
	d := time.Duration(math.Exp(c.r.NormFloat64()*1.1+14.5-float64(depth)*0.4)) + 1000
	route := routes[c.r.IntN(len(routes))]
	me := c.one(id, parent, svc, Server, "GET "+route, route, start, d)
	out = append(out, me)
	at := start.Add(d / 10)
	for _, to := range callee[svc] {
		if depth > 5 || c.r.IntN(10) >= 6 {
			continue
		}
		call := c.one(id, me.ID, svc, Client, "GET", route, at, d/3)
		out = c.span(append(out, call), id, call.ID, to, at.Add(500), depth+1)
		at = at.Add(d / 3)
	}
	q := c.one(id, me.ID, svc, Client, "SELECT "+route[5:], route, at, d/8)
	q.Attrs = append(q.Attrs[:0:0], Attr{"db.system.name", "postgresql"}, Attr{"db.namespace", fleet[svc]}, Attr{"db.query.text", "SELECT * FROM " + route[5:] + " WHERE id = $1 AND tenant = $2"},
		Attr{"server.address", "pg"}, Attr{"server.port", int64(5432)}, Attr{"db.response.returned_rows", int64(c.r.IntN(50))}, Attr{"user.id", fmt.Sprintf("u-%05d", c.r.IntN(5000))})
	return append(out, q)
}

// batches makes requests of up to 512 spans of one service each, as SDKs send them, of at least n spans.
func (c *corpus) batches(n int) (bodies [][]byte, spans int) {
	var all []Span
	for len(all) < n {
		all = c.trace(all)
	}
	waits := map[string][]Span{}
	for _, s := range all {
		w := append(waits[s.Service], s)
		if len(w) == 512 {
			bodies = append(bodies, encodeOne(w))
			w = nil
		}
		waits[s.Service] = w
	}
	for _, svc := range fleet {
		if len(waits[svc]) > 0 {
			bodies = append(bodies, encodeOne(waits[svc]))
		}
	}
	return bodies, len(all)
}

// encodeOne writes spans of one resource and scope.
func encodeOne(spans []Span) []byte {
	scoped := putBytes(nil, 1, putBytes(nil, 1, spans[0].Scope))
	for i := range spans {
		scoped = putBytes(scoped, 2, putSpan(nil, &spans[i]))
	}
	group := putBytes(nil, 1, encodeResource("", "", spans[0].Resource))
	return putBytes(nil, 1, putBytes(group, 2, scoped))
}
