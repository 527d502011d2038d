package proxy

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// fromTarget takes one frame that a target sent.
func (c *h2conn) fromTarget(ctx context.Context, f http2.Frame) error {
	s := c.streams[f.Header().StreamID]
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		switch {
		case s != nil:
			return s.answer(ctx, c, f)
		case c.isIdle(f.StreamID):
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
	case *http2.RSTStreamFrame:
		if s != nil {
			s.refused(ctx, f.ErrCode)
		}
	case *http2.GoAwayFrame:
		c.leave(ctx, f.LastStreamID)
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

// answer takes a head of the answer, or its trailers.
func (s *h2stream) answer(ctx context.Context, c *h2conn, f *http2.MetaHeadersFrame) error {
	fields := slices.DeleteFunc(f.Fields, func(one hpack.HeaderField) bool { return hopByHop(one.Name) })
	status, _ := strconv.Atoi(f.PseudoValue("status"))
	switch {
	case f.Truncated, s.down.ended:
		return s.spoil(c, http2.ErrCodeProtocol)
	case s.begun:
		if !f.StreamEnded() || len(f.PseudoFields()) > 0 {
			return s.spoil(c, http2.ErrCodeProtocol)
		}
		s.end = fields
		s.down.finish(fields)
	case status < 100 || status > 999 || status == http.StatusSwitchingProtocols || status < 200 && f.StreamEnded():
		return s.spoil(c, http2.ErrCodeProtocol)
	case status < 200:
		s.x.conn.heads(s.down.id, fields, false)
	default:
		s.head(ctx, status, fields, f.StreamEnded())
	}
	return nil
}

// head passes on the head of the answer.
func (s *h2stream) head(ctx context.Context, status int, fields []hpack.HeaderField, end bool) {
	s.begun, s.end, s.call.Code = true, fields, status
	s.t.well()
	if !s.grpc && status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout {
		s.t.fail(false)
	}
	if n, err := strconv.ParseInt(valueOf(fields, "content-length"), 10, 64); err == nil {
		s.down.left = n
	}
	if s.down.ended = end; s.plan != nil {
		s.alter(ctx, fields)
		return
	}
	s.down.sent = end
	s.x.conn.heads(s.down.id, fields, end)
	if end {
		s.settle()
	}
}

// settle looks what is left of the stream when one direction has been sent to its end.
func (s *h2stream) settle() {
	if s.down.sent && !s.over {
		s.conclude()
		s.finish()
	}
	if s.up.sent && s.down.ended {
		s.detach()
	}
	if c, id := s.x.conn, s.down.id; s.up.sent && s.down.sent && c.streams[id] == s {
		delete(c.streams, id)
		if !s.up.ended {
			c.reset(id, s.code)
		}
	}
}

// conclude says how the call ended.
func (s *h2stream) conclude() {
	switch {
	case s.grpc:
		s.status()
	case s.call.Code >= 500:
		s.call.Err = fmt.Sprintf("status %d", s.call.Code)
	}
}

// detach ends what the target's connection has of the stream. What waits for the caller is still owed to it.
func (s *h2stream) detach() {
	c := s.up.to
	if c == nil {
		return
	}
	delete(c.streams, s.up.id)
	delete(c.waits, &s.up)
	s.up.to = nil
	c.closeIdle()
}

// abort tells the target that nobody waits for its answer.
func (s *h2stream) abort() {
	if c := s.up.to; c != nil {
		c.reset(s.up.id, http2.ErrCodeCancel)
		s.detach()
	}
}

// spoil ends a stream on which a connection's peer broke the rules. A caller that does so all the time is refused, as
// if it reset the streams itself.
func (s *h2stream) spoil(c *h2conn, code http2.ErrCode) error {
	if c.target != nil {
		c.reset(s.up.id, code)
		s.detach()
		s.broken(fmt.Sprintf("%s gave no proper answer: %s", s.name(), code), grpcInternal, http2.ErrCodeInternal)
		return nil
	}
	if !s.over {
		s.call.Err = fmt.Sprintf("the caller broke the rules of HTTP/2: %s", code)
	}
	s.kill(code)
	return s.x.rapid()
}

// kill resets both sides.
func (s *h2stream) kill(code http2.ErrCode) {
	s.abort()
	s.x.conn.reset(s.down.id, code)
	s.forget()
}

// forget ends the stream without a word to the caller.
func (s *h2stream) forget() {
	delete(s.x.conn.streams, s.down.id)
	s.up.drop()
	s.down.drop()
	s.finish()
}

// refused takes a reset by the target.
func (s *h2stream) refused(ctx context.Context, code http2.ErrCode) {
	s.detach()
	switch {
	case s.down.ended: // it has answered, and does not want the rest of the request
		s.code = code
		s.up.drop()
		s.settle()
		return
	case code == http2.ErrCodeRefusedStream && s.again(ctx, true):
		return
	}
	grpc, why := grpcOfReset(code), fmt.Sprintf("%s reset the stream: %s", s.name(), code)
	if late := s.late(time.Since(s.call.Start)); late != "" && grpc == grpcCanceled { // the callee gives up first
		grpc, why = grpcDeadline, late
	}
	s.cut(grpc, why, code)
}

// lost takes the end of the target's connection, or of its will to take the stream.
func (s *h2stream) lost(ctx context.Context, err error, refused bool) {
	s.detach()
	switch {
	case s.down.ended:
		s.up.drop()
		s.settle()
	case s.again(ctx, refused):
	case s.begun:
		s.broken(fmt.Sprintf("%s ended its answer early: %v", s.name(), err), grpcUnavailable, http2.ErrCodeInternal)
	default:
		if s.t != nil {
			s.t.fail(false)
		}
		s.broken(fmt.Sprintf("%s gave no answer: %v", s.name(), err), grpcUnavailable, http2.ErrCodeInternal)
	}
}

// h2Tries is how often a request is sent.
const h2Tries = 3

// again sends a request that got no answer once more, if nothing of its body was sent: the target has refused it, or
// its connection was gone and the request may be done twice.
func (s *h2stream) again(ctx context.Context, refused bool) bool {
	twice := refused || idempotent([]byte(s.method)) || valueOf(s.request, "idempotency-key") != ""
	if s.over || s.begun || s.up.moved > 0 || s.tries >= h2Tries || !twice {
		return false
	}
	s.up.sent = false
	s.release()
	s.find(ctx)
	return true
}

// broken ends a stream whose target gave no answer, or not all of it.
func (s *h2stream) broken(why string, grpc int, code http2.ErrCode) {
	s.reveal()
	if s.begun || s.over {
		s.cut(grpc, why, code)
		return
	}
	s.fail(http.StatusBadGateway, why)
}

// cut ends a stream that went wrong: by its status where the call is gRPC, else by a reset.
func (s *h2stream) cut(grpc int, why string, code http2.ErrCode) {
	if s.over {
		s.kill(code)
		return
	}
	s.reveal()
	s.call.Err = why
	if s.grpc {
		s.tell(grpc, why)
		return
	}
	s.kill(code)
}

// fail answers in place of the callee.
func (s *h2stream) fail(status int, why string) {
	s.call.Err = why
	if s.grpc {
		s.tell(grpcUnavailable, why)
		return
	}
	s.call.Code = status
	text := fmt.Sprintf("msctl edge %s: %s\n", s.x.e.name(), why)
	head := []hpack.HeaderField{{Name: ":status", Value: strconv.Itoa(status)}, {Name: "content-type", Value: "text/plain; charset=utf-8"},
		{Name: "content-length", Value: strconv.Itoa(len(text))}, {Name: "msctl-edge", Value: s.x.e.name()}}
	if s.method == http.MethodHead {
		text = ""
	}
	s.reply(head, text, nil)
}

// tell ends a gRPC call with a status.
func (s *h2stream) tell(code int, why string) {
	s.call.Code = code
	tail := []hpack.HeaderField{{Name: "grpc-status", Value: strconv.Itoa(code)},
		{Name: "grpc-message", Value: grpcEscape("msctl edge " + s.x.e.name() + ": " + why)}}
	if s.begun {
		s.reply(nil, "", tail)
		return
	}
	head := []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"},
		{Name: "msctl-edge", Value: s.x.e.name()}}
	s.reply(append(head, tail...), "", nil)
}

// reply ends the stream with an answer of the edge's own, behind what of the target's is on its way. Nothing
// more is wanted of either side.
func (s *h2stream) reply(head []hpack.HeaderField, text string, trailers []hpack.HeaderField) {
	s.abort()
	s.up.drop()
	s.finish()
	end := text == "" && trailers == nil
	s.begun, s.down.ended, s.down.trailers = true, true, trailers
	if head != nil {
		s.down.sent = end
		s.x.conn.heads(s.down.id, head, end)
	}
	if end {
		s.settle()
		return
	}
	s.down.push([]byte(text))
}

// leftWith takes a reset by the caller.
func (s *h2stream) leftWith(code http2.ErrCode) {
	if !s.over {
		after := time.Since(s.call.Start)
		s.call.Err = fmt.Sprintf("the caller left after %v", after.Round(time.Millisecond))
		if s.grpc {
			s.call.Code = grpcCanceled
			if why := s.late(after); why != "" {
				s.call.Code, s.call.Err = grpcDeadline, why
			}
		}
	}
	if c := s.up.to; c != nil {
		c.reset(s.up.id, code)
		s.detach()
	}
	s.forget()
}

// left notes that the caller's connection has ended.
func (s *h2stream) left() { s.leftWith(http2.ErrCodeCancel) }

// abandon ends the stream because the edge does.
func (s *h2stream) abandon() {
	if s.over {
		s.kill(http2.ErrCodeCancel)
		return
	}
	s.cut(grpcUnavailable, "the edge closes", http2.ErrCodeCancel)
}

// late says that a gRPC call is past its deadline; "" it is not.
func (s *h2stream) late(after time.Duration) string {
	if limit, ok := grpcTimeout(s.timeout); ok && s.grpc && after >= limit {
		return fmt.Sprintf("deadline of %v exceeded", limit)
	}
	return ""
}

// name is the target's, for people.
func (s *h2stream) name() string {
	if s.call.Unit != "" {
		return s.call.Unit
	}
	return s.x.e.To
}
