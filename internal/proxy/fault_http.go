package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ask asks the faults about the request that was read, and returns how long they hold it back.
func (r *exchange) ask(a *acting) time.Duration {
	x := r.x
	head := x.wire.bytes()[:x.req.size]
	op := x.op
	if x.e.Record == nil {
		op = x.e.names.of(&x.req, head, x.e.To)
	}
	q := Request{
		Edge: x.e.name(), Protocol: "http", Method: string(x.req.method.of(head)), Path: pathOf(string(x.req.target.of(head))), Name: op.name,
		Trace: r.call.Trace, header: func(name string) (string, bool) { return headerOf(head, name) },
	}
	if o, ok := parseTraceparent(x.parent()); ok {
		q.Trace = o.trace
	}
	r.call.Faults = a.plain()
	if r.plan = a.ask(&q); r.plan == nil {
		return 0
	}
	r.call.Faults = append(r.call.Faults, r.plan.words...)
	return r.plan.Delay
}

// act does what the faults do before the request is sent. Where it ends there, keep says whether the
// caller's connection serves another one.
func (r *exchange) act(ctx context.Context) (ends, keep bool) {
	p := r.plan
	switch {
	case p.Reset:
		r.call.Err = "reset by a fault"
		abort(r.x.wire.conn)
		return true, false
	case p.Reply != nil:
		return true, r.reply(p.Reply)
	}
	if bodies(p.answers) {
		p.requests = append(p.requests, Patch{Remove: []string{"Accept-Encoding"}})
	}
	if p.Twice || bodies(p.requests) {
		if err := r.gather(); err == errChunk {
			return true, r.fail(http.StatusBadRequest, err.Error(), false)
		} else if err != nil {
			r.left()
			return true, false
		}
	}
	if len(p.requests) > 0 {
		if err := r.rewrite(); err != nil {
			return true, r.fail(http.StatusBadRequest, err.Error(), false)
		}
	}
	if p.Twice {
		if r.double(ctx); r.x.hasBroken() {
			r.left()
			return true, false
		}
	}
	return false, false
}

// gather waits for the rest of the request, if it is not too long.
func (r *exchange) gather() error {
	x, w := r.x, r.x.wire
	if x.req.expects && !r.body.done {
		r.plan.requests = append(r.plan.requests, Patch{Remove: []string{"Expect"}})
		if err := x.write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return err
		}
	}
	for !r.body.done && r.all-x.req.size < maxPatched {
		w.space()
		if err := w.fill(); err != nil {
			return err
		}
		n, err := r.body.take(w.bytes()[r.all:])
		if err != nil {
			return err
		}
		r.all += n
	}
	x.more = len(w.bytes()) > r.all
	return nil
}

// rewrite puts the patched request in place of the one that was read.
func (r *exchange) rewrite() error {
	x := r.x
	old := x.wire.bytes()[:r.all]
	m := httpMessage{head: old[:x.req.size], body: old[x.req.size:], chunked: x.req.chunked, whole: r.body.done}
	b, size := m.edit(r.plan.requests)
	x.wire.replace(r.all, b)
	if err := x.req.parseRequest(x.wire.bytes()[:size]); err != nil {
		return err
	}
	r.body, r.all = requestBody(&x.req), len(b)
	_, err := r.body.take(b[size:])
	return err
}

// reply answers as a fault says. It reports whether the connection serves another request.
func (r *exchange) reply(p *Reply) bool {
	x := r.x
	status := p.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	if r.call.Code = status; status >= http.StatusInternalServerError {
		r.call.Err = fmt.Sprintf("status %d by a fault", status)
	}
	keep := r.body.done && x.req.persists()
	x.settle(false)
	r.consumed()
	if err := x.write(p.http1(status, x.e.name(), x.head, keep)); err != nil {
		return false
	}
	if !keep {
		x.linger()
	}
	return keep
}

// http1 writes an answer of HTTP/1.
func (p *Reply) http1(status int, edge string, bare, keep bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	for _, h := range p.headers(edge) {
		fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
	}
	none := status == http.StatusNoContent || status == http.StatusNotModified
	if !none {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(p.Body))
	}
	if !keep {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	if !none && !bare {
		b.WriteString(p.Body)
	}
	return b.Bytes()
}

// headers are those of the answer but for its length.
func (p *Reply) headers(edge string) []Header {
	set := append([]Header{{"Msctl-Edge", edge}}, p.Header...)
	if p.Body != "" && !among("Content-Type", p.Header, nil) {
		content := "text/plain; charset=utf-8"
		if strings.HasPrefix(p.Body, "{") || strings.HasPrefix(p.Body, "[") {
			content = "application/json"
		}
		set = append(set, Header{"Content-Type", content})
	}
	return set
}

// doubleTime is how long the callee may take for a request that a fault repeats.
const doubleTime = 30 * time.Second

// double sends the request, whose body is there, over a connection of its own, and waits for its answer. The end of
// the caller's connection goes over to that one, as to every connection that serves it. A request that is too long, or
// that is to change the protocol, is not repeated.
func (r *exchange) double(ctx context.Context) {
	x := r.x
	if !r.body.done || x.req.upgrade || x.connect {
		return
	}
	t := x.e.take(nil)
	if t == nil {
		return
	}
	defer t.busy.Add(-1)
	c, err := connect(ctx, t)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	defer x.use(nil)
	if !x.use(newWire(c, 0)) || x.hasBroken() {
		return
	}
	if !x.side.armed {
		x.look(watchAfter)
	}
	_ = c.SetDeadline(time.Now().Add(doubleTime))
	b := x.wire.bytes()[:r.all]
	if _, err := c.Write(b); err != nil {
		return
	}
	x.hasSent()
	in, asked := bufio.NewReader(c), &http.Request{Method: string(x.req.method.of(b))}
	for {
		res, err := http.ReadResponse(in, asked)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if res.Body.Close(); res.StatusCode >= http.StatusOK {
			return
		}
	}
}

// alter does what the faults do to the answer, whose head was read. Where it ends there, keep says whether
// the caller's connection serves another request.
func (r *exchange) alter(ctx context.Context) (ends, keep bool) {
	p := r.plan
	if p.DelayAnswer > 0 {
		r.x.hold(p.under, p.DelayAnswer, true)
	}
	if p.Omit {
		r.omit()
		return true, false
	}
	if len(p.answers) > 0 {
		if err := r.rewriteAnswer(); err != nil {
			return true, r.broken(ctx, err)
		}
	}
	if p.Cut {
		return r.cut(p.CutAfter), false
	}
	return false, false
}

// omit waits for the whole answer, so that its effect is there, and resets the caller's connection.
func (r *exchange) omit() {
	x := r.x
	d := answerBody(&x.res, x.head)
	r.server.r += x.res.size
	for most := 16 * maxPatched; ; {
		n, err := d.take(r.server.bytes())
		r.server.r += n
		if most -= n; err != nil || d.done || most <= 0 || r.server.fill() != nil {
			break
		}
	}
	r.t.well()
	x.settle(false)
	r.call.Code, r.call.Err = x.res.status, "answer omitted by a fault"
	abort(x.wire.conn)
}

// rewriteAnswer puts the patched answer in place of the one that is being read.
func (r *exchange) rewriteAnswer() error {
	x, w, patches := r.x, r.server, r.plan.answers
	d := answerBody(&x.res, x.head)
	all := x.res.size
	for {
		n, err := d.take(w.bytes()[all:])
		if err != nil {
			return err
		}
		all += n
		if d.done || !bodies(patches) || all-x.res.size >= maxPatched {
			break
		}
		w.space()
		if err := w.fill(); err != nil {
			if ended(err) {
				_ = d.ended() // where it is not its end, who passes it on sees that again
			}
			break
		}
	}
	if d.framing == byClose && d.done {
		patches = append(patches[:len(patches):len(patches)], Patch{Set: []Header{{"Connection", "close"}}})
	}
	old := w.bytes()[:all]
	m := httpMessage{head: old[:x.res.size], body: old[x.res.size:], chunked: d.framing == byChunks, whole: d.done, bare: x.head}
	b, size := m.edit(patches)
	w.replace(all, b)
	return x.res.parseAnswer(w.bytes()[:size])
}

// cut passes on the answer up to n bytes of its body, and resets the connection. It is false, and nothing
// was passed on, where the body is known to be no longer.
func (r *exchange) cut(n int64) bool {
	x, w := r.x, r.server
	d := answerBody(&x.res, x.head)
	if d.done || d.framing == byLength && d.left <= n {
		return false
	}
	r.call.Code = x.res.status
	for head := x.res.size; ; head = 0 {
		took, data, err := d.takeData(w.bytes()[head:], n)
		sent := w.bytes()[:head+took]
		r.call.Received += int64(len(sent))
		n -= data
		lost := x.write(sent) != nil
		w.r += len(sent)
		if lost || err != nil || d.done || n == 0 || w.fill() != nil {
			break
		}
	}
	x.settle(false)
	r.t.well()
	if !d.done {
		r.call.Err = "answer cut off by a fault after " + strconv.FormatInt(r.call.Received, 10) + " bytes"
	}
	x.wire.drained()
	abort(x.wire.conn)
	return true
}

// takeData is take of at most so many bytes of the body's data. It returns how many bytes of b that are,
// and how many of them are data.
func (d *body) takeData(b []byte, most int64) (n int, data int64, err error) {
	for n < len(b) && !d.done {
		if d.framing == byChunks && d.state != chunkData {
			if err := d.step(b[n]); err != nil {
				return n, data, err
			}
			n++
			continue
		}
		m := min(d.left, int64(len(b)-n), most-data)
		if m == 0 {
			break
		}
		d.skip(m)
		n, data = n+int(m), data+m
	}
	return n, data, nil
}

// space makes room for the next fill behind what waits.
func (w *wire) space() {
	if w.buf == nil || w.w < len(w.buf) {
		return
	}
	waits := w.bytes()
	to := make([]byte, w.room+2*len(waits)+bufferSize)
	w.own(to, copy(to[w.room:], waits))
}

// replace puts b in place of the first n bytes that wait.
func (w *wire) replace(n int, b []byte) {
	rest := w.bytes()[n:]
	to := make([]byte, w.room+len(b)+len(rest)+bufferSize)
	copy(to[w.room+len(b):], rest)
	w.own(to, copy(to[w.room:], b)+len(rest))
}

// own makes to the buffer, which holds n bytes behind its room.
func (w *wire) own(to []byte, n int) {
	if w.box != nil {
		buffers.Put(w.box)
	}
	w.box, w.buf, w.r, w.w = nil, to, w.room, w.room+n
}
