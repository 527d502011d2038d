package proxy

import (
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2way is one direction of a stream. What came and cannot be sent on yet waits in queue; the sender is granted
// more only for what was sent on.
type h2way struct {
	s          *h2stream
	from, to   *h2conn // nil: not known yet, or no longer
	fromID, id uint32  // the stream's number there

	queue    []byte // bytes from off wait
	off      int
	trailers []hpack.HeaderField // to be sent with the end
	ended    bool                // the end came
	sent     bool                // the end was sent on

	window  int64 // bytes that the receiver takes
	granted int64 // bytes that the sender may send
	owed    int64 // bytes that were passed on and not granted anew
	left    int64 // bytes of the declared length that did not come yet; -1 none was declared
	moved   int64 // bytes that were sent on

	act *h2act // what faults do; nil: nothing
}

// take takes a piece of a body. It returns the code that the stream is to be reset with, if it is.
func (w *h2way) take(f *http2.DataFrame) http2.ErrCode {
	b, n := f.Data(), int64(f.Length)
	if w.granted -= n; w.granted < 0 {
		w.from.owe(n)
		return http2.ErrCodeFlowControl
	}
	if w.ended || !w.s.begun && w == &w.s.down {
		w.from.owe(n)
		return http2.ErrCodeStreamClosed
	}
	w.passed(n - int64(len(b))) // padding
	if w.left >= 0 {
		if w.left -= int64(len(b)); w.left < 0 || f.StreamEnded() && w.left > 0 && w == &w.s.up {
			w.from.owe(int64(len(b)))
			return http2.ErrCodeProtocol
		}
	}
	w.ended = f.StreamEnded()
	if w.sent {
		w.from.owe(int64(len(b))) // nobody wants it any more
		return http2.ErrCodeNo
	}
	if w.act != nil {
		b = w.came(b)
	}
	w.push(b)
	if w.act != nil && w.act.gather != nil {
		w.gathered(int64(len(b)))
	}
	return http2.ErrCodeNo
}

// finish ends the way with trailers, which may be none.
func (w *h2way) finish(trailers []hpack.HeaderField) {
	w.ended, w.trailers = true, trailers
	switch {
	case w.act != nil && w.act.discard != nil:
		w.act.discard()
	case w.act != nil && w.act.gather != nil:
		w.gathered(0)
	default:
		w.push(nil)
	}
}

// push sends what waits and then b, as far as it is taken; the rest waits.
func (w *h2way) push(b []byte) {
	if w.sent {
		return
	}
	if w.off < len(w.queue) || w.to == nil {
		w.keep(b)
		b = nil
	}
	if w.to == nil {
		return
	}
	if len(b) == 0 {
		w.off += w.send(w.queue[w.off:])
		if w.off == len(w.queue) {
			w.queue, w.off = nil, 0
		}
	} else if n := w.send(b); n < len(b) {
		w.keep(b[n:])
	}
	if w.act != nil && w.act.sever {
		if w.off == len(w.queue) {
			w.s.severed()
		}
		return
	}
	if w.ended && w.off == len(w.queue) && !w.sent {
		w.close()
	}
	if w.sent {
		w.s.settle()
	}
}

// keep puts bytes behind those that wait.
func (w *h2way) keep(b []byte) {
	if len(b) == 0 {
		return
	}
	if w.off > 0 && len(w.queue)+len(b) > cap(w.queue) {
		w.queue = append(w.queue[:0], w.queue[w.off:]...)
		w.off = 0
	}
	w.queue = append(w.queue, b...)
}

// send returns how many bytes the receiver takes now. The end goes with the last of them.
func (w *h2way) send(b []byte) (n int) {
	to := w.to
	delete(to.waits, w)
	for n < len(b) {
		most := min(int64(len(b)-n), w.window, to.window, int64(to.frame), int64(h2Room-len(to.out)))
		if most <= 0 {
			if w.window > 0 {
				to.waits[w] = struct{}{}
			}
			break
		}
		m := n + int(most)
		w.sent = m == len(b) && w.ended && w.trailers == nil && (w.act == nil || !w.act.sever)
		_ = to.frames.WriteData(w.id, w.sent, b[n:m])
		w.window -= most
		to.window -= most
		n = m
	}
	w.moved += int64(n)
	w.passed(w.unpaid(int64(n)))
	return n
}

// close sends the end where it did not go with the last bytes.
func (w *h2way) close() {
	w.sent = true
	if w.trailers != nil {
		w.to.heads(w.id, w.trailers, true)
		return
	}
	_ = w.to.frames.WriteData(w.id, true, nil)
}

// passed grants anew what was passed on.
func (w *h2way) passed(n int64) {
	if w.from == nil || n == 0 {
		return
	}
	w.from.owe(n)
	if w.ended {
		return
	}
	if w.owed += n; w.owed >= h2StreamBuffer/2 {
		_ = w.from.frames.WriteWindowUpdate(w.fromID, uint32(w.owed))
		w.granted += w.owed
		w.owed = 0
	}
}

// drop forgets what waits. The sender's connection may send as much of other streams.
func (w *h2way) drop() {
	if n := w.unpaid(int64(len(w.queue) - w.off)); n > 0 && w.from != nil {
		w.from.owe(n)
	}
	w.queue, w.off, w.sent = nil, 0, true
	if w.to != nil {
		delete(w.to.waits, w)
	}
}
