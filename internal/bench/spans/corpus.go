package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// batch is one request as an SDK sends it: spans of one service, in the order in which they came. From one
// round to the next the trace ids and the times change, at places that are known.
type batch struct {
	body  []byte
	spans int
	ids   []int // where the first four bytes of a trace id are
	times []int // where a start is, followed by a tag and the end
}

// batchSpans is what the SDKs send at once.
const batchSpans = 512

var (
	fleet   = []string{"gateway", "orders", "payments", "inventory", "users", "catalog", "cart", "shipping", "email", "search", "reviews", "recommend"}
	callees = map[int][]int{0: {1, 4, 5, 9}, 1: {2, 3, 6, 7}, 2: {4}, 5: {10, 11}, 7: {8}, 9: {5}, 11: {5}}
	paths   = []string{"/api/list", "/api/item", "/api/create", "/api/update", "/api/stats"}
)

// OTLP's numbers.
const (
	server, client = 2, 3
	failed         = 2
)

// corpus makes traces of twelve services: some twelve spans each, ten attributes on a span, some of them
// never twice the same, and eight on a resource.
type corpus struct {
	rand    *rand.Rand
	base    time.Time // of the first trace
	traces  [][16]byte
	spans   int
	waits   []pending // by service
	batches []batch
}

// pending is a batch that is not full.
type pending struct {
	spans        []byte
	n            int
	idAt, timeAt []int
}

// apart is the time from one trace to the next.
const apart = time.Millisecond

func newCorpus(n int, base time.Time) *corpus {
	c := &corpus{rand: rand.New(rand.NewPCG(1, 7)), base: base, waits: make([]pending, len(fleet))}
	for c.spans < n {
		var id [16]byte
		binary.BigEndian.PutUint32(id[4:], uint32(len(c.traces)))
		binary.BigEndian.PutUint64(id[8:], c.rand.Uint64())
		start := base.Add(time.Duration(len(c.traces)) * apart)
		c.traces = append(c.traces, id)
		c.serve(id, 0, 0, uint64(start.UnixNano()), 0)
	}
	for svc := range c.waits {
		c.flush(svc)
	}
	return c
}

// length is the time that one round takes.
func (c *corpus) length() time.Duration { return time.Duration(len(c.traces)) * apart }

// serve makes the span of a service that was called, and of what it calls.
func (c *corpus) serve(trace [16]byte, parent uint64, svc int, start uint64, depth int) {
	id := c.rand.Uint64() | 1
	took := uint64(math.Exp(c.rand.NormFloat64()*1.1+14.5-float64(depth)*0.4)) + 1000
	path := paths[c.rand.IntN(len(paths))]
	c.add(svc, one{trace, id, parent, "GET " + path, server, start, took, c.rand.IntN(50) == 0}, c.http(svc, path))
	if depth > 5 {
		return
	}
	at := start + took/10
	for _, to := range callees[svc] {
		if c.rand.IntN(10) >= 6 {
			continue
		}
		call := c.rand.Uint64() | 1
		c.add(svc, one{trace, call, id, "call " + fleet[to], client, at, took/3 + 2000, false}, c.http(to, path))
		c.serve(trace, call, to, at+500, depth+1)
		at += took / 3
	}
	c.add(svc, one{trace, c.rand.Uint64() | 1, id, "SELECT " + path[5:], client, at, took / 8, false}, c.sql(svc, path))
}

// one is a span but for its attributes.
type one struct {
	trace      [16]byte
	id, parent uint64
	name       string
	kind       uint64
	start      uint64
	took       uint64
	failed     bool
}

func (c *corpus) http(svc int, path string) []byte {
	var b []byte
	b = text(b, "http.request.method", []string{"GET", "GET", "GET", "POST", "PUT"}[c.rand.IntN(5)])
	b = text(b, "http.route", path)
	b = text(b, "url.path", fmt.Sprintf("%s/%d", path, c.rand.IntN(1<<20)))
	b = number(b, "http.response.status_code", 200)
	b = text(b, "server.address", fleet[svc]+".local")
	b = number(b, "server.port", 8080)
	b = text(b, "user.id", c.user())
	b = text(b, "order.id", fmt.Sprintf("o-%09d", c.spans))
	b = text(b, "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
	return number(b, "thread.id", uint64(c.rand.IntN(32)))
}

func (c *corpus) sql(svc int, path string) []byte {
	var b []byte
	b = text(b, "db.system.name", "postgresql")
	b = text(b, "db.namespace", fleet[svc]+"db")
	b = text(b, "db.operation.name", "SELECT")
	b = text(b, "db.query.text", "SELECT * FROM "+path[5:]+" WHERE id = $1 AND tenant = $2 ORDER BY created_at DESC LIMIT 50")
	b = text(b, "server.address", "pg-"+fleet[svc])
	b = number(b, "server.port", 5432)
	b = number(b, "db.response.returned_rows", uint64(c.rand.IntN(50)))
	b = text(b, "user.id", c.user())
	b = number(b, "thread.id", uint64(c.rand.IntN(32)))
	return text(b, "code.function.name", "repo.Find")
}

func (c *corpus) user() string { return fmt.Sprintf("u-%05d", c.rand.IntN(5000)) }

// add encodes a span, with the attributes encoded already, into the batch of its service.
func (c *corpus) add(svc int, s one, attrs []byte) {
	var b []byte
	b = bytesField(b, 1, s.trace[:])
	b = bytesField(b, 2, binary.BigEndian.AppendUint64(nil, s.id))
	if s.parent != 0 {
		b = bytesField(b, 4, binary.BigEndian.AppendUint64(nil, s.parent))
	}
	b = bytesField(b, 5, []byte(s.name))
	b = protowire.AppendVarint(protowire.AppendTag(b, 6, protowire.VarintType), s.kind)
	b = protowire.AppendTag(b, 7, protowire.Fixed64Type)
	at := len(b)
	b = protowire.AppendFixed64(b, s.start)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 8, protowire.Fixed64Type), s.start+s.took)
	b = append(b, attrs...)
	if s.failed {
		status := bytesField(nil, 2, []byte("upstream returned 500"))
		b = bytesField(b, 15, protowire.AppendVarint(protowire.AppendTag(status, 3, protowire.VarintType), failed))
	}
	w := &c.waits[svc]
	w.spans = bytesField(w.spans, 2, b)
	from := len(w.spans) - len(b)
	w.idAt, w.timeAt = append(w.idAt, from+2), append(w.timeAt, from+at)
	c.spans++
	if w.n++; w.n == batchSpans {
		c.flush(svc)
	}
}

// flush makes a request of what waits.
func (c *corpus) flush(svc int) {
	w := c.waits[svc]
	if w.n == 0 {
		return
	}
	c.waits[svc] = pending{}
	scoped := bytesField(nil, 1, bytesField(nil, 1, []byte("go.opentelemetry.io/contrib/otelhttp")))
	body := bytesField(nil, 1, append(bytesField(nil, 1, resource(svc)), bytesField(nil, 2, append(scoped, w.spans...))...))
	from := len(body) - len(w.spans)
	for i := range w.idAt {
		w.idAt[i] += from
		w.timeAt[i] += from
	}
	c.batches = append(c.batches, batch{body, w.n, w.idAt, w.timeAt})
}

func resource(svc int) []byte {
	var b []byte
	for _, a := range [][2]string{{"service.name", fleet[svc]}, {"service.version", "1.4.2"}, {"service.instance.id", fleet[svc] + "-1"}, {"host.name", "laptop"},
		{"process.pid", fmt.Sprint(4000 + svc)}, {"telemetry.sdk.name", "opentelemetry"}, {"telemetry.sdk.language", "go"}, {"telemetry.sdk.version", "1.38.0"}} {
		b = bytesField(b, 1, pair(a[0], bytesField(nil, 1, []byte(a[1]))))
	}
	return b
}

// round returns the request as it is in a later round.
func (b *batch) round(n int, length time.Duration) []byte {
	body := append([]byte(nil), b.body...)
	for _, at := range b.ids {
		binary.BigEndian.PutUint32(body[at:], roundID(n))
	}
	shift := uint64(n) * uint64(length)
	for _, at := range b.times {
		for _, at := range []int{at, at + 9} {
			binary.LittleEndian.PutUint64(body[at:], binary.LittleEndian.Uint64(body[at:])+shift)
		}
	}
	return body
}

// roundID is how the trace ids of a round begin.
func roundID(n int) uint32 { return 0xA55AC33C ^ uint32(n) }

func bytesField(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func pair(key string, value []byte) []byte {
	return bytesField(bytesField(nil, 1, []byte(key)), 2, value)
}

func text(b []byte, key, value string) []byte {
	return bytesField(b, 9, pair(key, bytesField(nil, 1, []byte(value))))
}

func number(b []byte, key string, value uint64) []byte {
	return bytesField(b, 9, pair(key, protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), value)))
}
