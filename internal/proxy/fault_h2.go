package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// ask asks the faults about the request, and returns how long they hold it back.
func (s *h2stream) ask(a *acting) time.Duration {
	path := pathOf(valueOf(s.request, ":path"))
	op := s.op
	if op == nil {
		op = s.x.e.names.ofH2(s.method, path, s.grpc, s.x.e.To)
	}
	q := Request{Edge: s.x.e.name(), Protocol: s.call.Protocol, Method: s.method, Path: path, Name: op.name, Trace: s.call.Trace, header: s.header}
	if o, ok := parseTraceparent([]byte(valueOf(s.request, "traceparent"))); ok {
		q.Trace = o.trace
	}
	s.call.Faults = a.plain()
	if s.plan = a.ask(&q); s.plan == nil {
		return 0
	}
	s.call.Faults = append(s.call.Faults, s.plan.words...)
	return s.plan.Delay
}

func (s *h2stream) header(name string) (string, bool) {
	i := slices.IndexFunc(s.request, func(f hpack.HeaderField) bool { return f.Name == name })
	if i < 0 {
		return "", false
	}
	return s.request[i].Value, true
}

// proceed does what the faults do before the request is sent, and then looks for a target.
func (s *h2stream) proceed(ctx context.Context) {
	p := s.plan
	switch {
	case p == nil:
		s.find(ctx)
	case p.Reset:
		s.call.Err = "reset by a fault"
		s.kill(http2.ErrCodeInternal)
	case p.Reply != nil:
		s.replyAs(p.Reply)
	case (p.Twice || bodies(p.requests) && !s.grpc) && !s.up.ended:
		s.up.act = &h2act{gather: func() { s.edit(ctx) }}
		s.up.gathered(int64(len(s.up.queue)))
	default:
		s.edit(ctx)
	}
}

// replyAs answers as a fault says: with a status of gRPC where it says none of HTTP.
func (s *h2stream) replyAs(p *Reply) {
	if s.grpc && p.Status == 0 {
		if s.call.Code = p.Code; p.Code != 0 {
			s.call.Err = strings.TrimSuffix(grpcCode(p.Code)+": "+p.Text, ": ")
		}
		s.reply([]hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"},
			{Name: "msctl-edge", Value: s.x.e.name()}, {Name: "grpc-status", Value: strconv.Itoa(p.Code)},
			{Name: "grpc-message", Value: grpcEscape(p.Text)}}, "", nil)
		return
	}
	status, text := p.Status, p.Body
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	if s.call.Code = status; status >= http.StatusInternalServerError {
		s.call.Err = "status " + strconv.Itoa(status) + " by a fault"
	}
	head := []hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(status)}}
	for _, h := range p.headers(s.x.e.name()) {
		head = append(head, hpack.HeaderField{Name: strings.ToLower(h.Name), Value: h.Value})
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		text = ""
	} else {
		head = append(head, hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(len(text))})
	}
	if s.method == http.MethodHead {
		text = ""
	}
	s.reply(head, text, nil)
}

// edit patches the request, of which all is there that the patches want, and sends it.
func (s *h2stream) edit(ctx context.Context) {
	p := s.plan
	if s.over {
		return
	}
	patches := p.requests
	if bodies(p.answers) && !s.grpc {
		patches = append(patches, Patch{Remove: []string{"accept-encoding"}})
	}
	s.request = s.up.edit(s.request, patches, s.grpc)
	if !p.Twice || !s.up.ended {
		s.find(ctx)
		return
	}
	fields, body := slices.Clone(s.request), bytes.Clone(s.up.queue[s.up.off:])
	s.gone = make(chan struct{})
	s.x.work(func() {
		s.double(ctx, fields, body)
		s.x.mu.Lock()
		if !s.over {
			s.find(ctx)
		}
		s.x.mu.Unlock()
		s.x.flush()
	})
}

// double sends a request over a connection of its own, and waits for the end of its answer, for as long as somebody
// waits for that of the request.
func (s *h2stream) double(ctx context.Context, fields []hpack.HeaderField, body []byte) {
	t := s.x.e.take(nil)
	if t == nil {
		return
	}
	defer t.busy.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, doubleTime)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-s.gone:
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	tr := http.Transport{Protocols: new(http.Protocols), DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return connect(ctx, t) }}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	url := "http://" + valueOf(fields, ":authority") + valueOf(fields, ":path")
	req, err := http.NewRequestWithContext(ctx, s.method, url, bytes.NewReader(body))
	if err != nil {
		return
	}
	for _, f := range fields {
		if !f.IsPseudo() && f.Name != "content-length" {
			req.Header.Add(f.Name, f.Value)
		}
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
}

// edit patches the head and, where all of it is there, the body of a message. It returns the new head.
func (w *h2way) edit(fields []hpack.HeaderField, patches []Patch, grpc bool) []hpack.HeaderField {
	for _, p := range patches {
		fields = editFields(fields, p.Set, p.Remove)
	}
	coding := valueOf(fields, "content-encoding")
	plain := w.queue[w.off:]
	if grpc || !w.ended || len(plain) == 0 || !bodies(patches) || coding != "" && coding != "identity" {
		return fields
	}
	body := bytes.Clone(patchBody(patches, valueOf(fields, "content-type"), plain[:len(plain):len(plain)]))
	if w.act != nil {
		w.act.prepaid = int64(len(body))
	} else if w.from != nil {
		w.from.owe(int64(len(plain) - len(body))) // as much will be owed for what is sent
	}
	if w.queue, w.off = body, 0; valueOf(fields, "content-length") != "" {
		fields = editFields(fields, []Header{{"content-length", strconv.Itoa(len(body))}}, nil)
	}
	return fields
}

// editFields returns fields without those of some names, and with others at their end.
func editFields(fields []hpack.HeaderField, set []Header, remove []string) []hpack.HeaderField {
	out := make([]hpack.HeaderField, 0, len(fields)+len(set))
	for _, f := range fields {
		if f.IsPseudo() || !among(f.Name, set, remove) {
			out = append(out, f)
		}
	}
	for _, h := range set {
		if name := strings.ToLower(h.Name); name != "host" {
			out = append(out, hpack.HeaderField{Name: name, Value: h.Value})
		} else if i := slices.IndexFunc(out, func(f hpack.HeaderField) bool { return f.Name == ":authority" }); i >= 0 {
			out[i].Value = h.Value
		}
	}
	return out
}

// alter does what the faults do to the answer, whose head came.
func (s *h2stream) alter(ctx context.Context, fields []hpack.HeaderField) {
	p := s.plan
	s.withheld = true
	switch {
	case p.Omit && s.down.ended:
		s.omitted()
	case p.Omit:
		s.down.act = &h2act{discard: s.omitted}
	case p.DelayAnswer > 0:
		d := p.DelayAnswer
		p.DelayAnswer, s.down.to = 0, nil
		s.gone = make(chan struct{})
		s.x.work(func() {
			s.wait(ctx, d, p.under.lifted)
			s.x.mu.Lock()
			if !s.over && s.withheld {
				s.alter(ctx, fields)
			}
			s.x.mu.Unlock()
			s.x.flush()
		})
	case bodies(p.answers) && !s.grpc && !s.down.ended:
		s.down.to = nil
		s.down.act = &h2act{gather: func() { s.show(fields) }}
		s.down.gathered(int64(len(s.down.queue)))
	default:
		s.show(fields)
	}
}

// empty reports that nothing waits.
func (w *h2way) empty() bool { return w.off == len(w.queue) && w.trailers == nil }

// show passes on a head that was withheld, patched, and what came behind it.
func (s *h2stream) show(fields []hpack.HeaderField) {
	if s.over || !s.withheld {
		return
	}
	p, w := s.plan, &s.down
	fields = w.edit(fields, p.answers, s.grpc)
	s.withheld, w.to = false, s.x.conn
	end := w.ended && w.empty()
	if p.Cut {
		if w.act == nil {
			w.act = &h2act{}
		}
		w.act.cut = &cutter{left: p.CutAfter, grpc: s.grpc}
		if s.grpc && p.CutAfter == 0 {
			s.severed()
			return
		}
	}
	if w.sent = end; end {
		s.x.conn.heads(w.id, fields, true)
		s.settle()
		return
	}
	s.x.conn.heads(w.id, fields, false)
	if waits := w.queue[w.off:]; p.Cut && len(waits) > 0 {
		w.queue, w.off = nil, 0
		kept := w.act.shorten(waits)
		w.from.owe(w.unpaid(int64(len(waits) - len(kept))))
		w.push(kept)
		return
	}
	w.push(nil)
}

// reveal forgets an answer that was withheld and did not come to its end: another one takes its place.
func (s *h2stream) reveal() {
	if !s.withheld {
		return
	}
	s.down.drop()
	s.withheld, s.begun, s.down.to, s.down.act = false, false, s.x.conn, nil
	s.down.sent, s.down.ended, s.down.trailers = false, false, nil
}

// omitted ends a stream whose whole answer came.
func (s *h2stream) omitted() {
	if !s.over {
		s.cut(grpcUnavailable, "answer omitted by a fault", http2.ErrCodeInternal)
	}
}

// severed ends a stream of which as much was passed on as a fault lets through.
func (s *h2stream) severed() {
	if !s.over {
		s.call.Err = "stream reset by a fault"
	}
	s.kill(http2.ErrCodeInternal)
}

// h2act is what faults do to one direction of a stream.
type h2act struct {
	gather  func() // called when all came that the faults want to see; nil: they do not wait
	discard func() // nothing is passed on, and this is called at the end
	prepaid int64  // bytes in the queue that the sender was granted anew already
	cut     *cutter
	sever   bool // the stream is reset when what waits was sent
}

// came does what the faults do to a piece that came, and returns what of it is to be sent on.
func (w *h2way) came(b []byte) []byte {
	a := w.act
	switch {
	case a.discard != nil:
		w.passed(int64(len(b)))
		if w.ended {
			a.discard()
		}
		return nil
	case a.cut != nil:
		kept := a.shorten(b)
		w.from.owe(int64(len(b) - len(kept)))
		return kept
	}
	return b
}

// shorten returns what a cut lets through.
func (a *h2act) shorten(b []byte) []byte {
	if a.sever {
		return nil
	}
	n := a.cut.take(b)
	a.sever = a.cut.left == 0 && (a.cut.grpc || n < len(b))
	return b[:n]
}

// gathered counts n more bytes that wait for a patch, and goes on where no more is wanted. Whoever sends them
// may send on: a body does not fit into what is granted at first.
func (w *h2way) gathered(n int64) {
	a := w.act
	w.passed(n)
	a.prepaid += n
	if w.ended || len(w.queue)-w.off >= maxPatched {
		do := a.gather
		a.gather = nil
		do()
	}
}

// unpaid is how many of n bytes that leave the queue the sender is still to be granted.
func (w *h2way) unpaid(n int64) int64 {
	if w.act == nil {
		return n
	}
	free := min(n, w.act.prepaid)
	w.act.prepaid -= free
	return n - free
}

// cutter lets the beginning of a body through: bytes, or messages of gRPC.
type cutter struct {
	left int64
	grpc bool
	head [5]byte // of the message
	have int
	rest int64 // of its bytes
}

// take returns how many bytes of b pass.
func (c *cutter) take(b []byte) (n int) {
	if !c.grpc {
		n = int(min(c.left, int64(len(b))))
		c.left -= int64(n)
		return n
	}
	for n < len(b) && c.left > 0 {
		if c.have < len(c.head) {
			c.head[c.have] = b[n]
			c.have, n = c.have+1, n+1
			c.rest = int64(binary.BigEndian.Uint32(c.head[1:]))
		} else {
			m := min(c.rest, int64(len(b)-n))
			n, c.rest = n+int(m), c.rest-m
		}
		if c.have == len(c.head) && c.rest == 0 {
			c.have = 0
			c.left--
		}
	}
	return n
}
