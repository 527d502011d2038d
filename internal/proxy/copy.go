package proxy

import (
	"io"
	"net"
	"sync/atomic"
)

// worthSplice is from how many bytes on the kernel moves them.
const worthSplice = 128 << 10

// copyBody passes on head bytes and the body behind them, as they come. It returns what was written, and
// why it ended before the body did: what the reading said, or the writing.
func (e *Edge) copyBody(from, to *wire, head int, d *body, count *atomic.Int64) (n int64, rerr, werr error) {
	for {
		if b := from.bytes(); len(b) > 0 {
			took, err := d.take(b[head:])
			if err != nil {
				return n, err, nil
			}
			m, err := to.write(b[:head+took])
			n += int64(m)
			count.Add(int64(m))
			if err != nil {
				return n, nil, err
			}
			from.r += head + took
			head = 0
		}
		if d.done {
			return n, nil, nil
		}
		if d.bulk() >= worthSplice {
			m, rerr, werr := e.spliceBody(from, to, d, count)
			if n += m; rerr != nil || werr != nil || d.done {
				return n, rerr, werr
			}
		}
		if err := from.fill(); err != nil {
			if ended(err) {
				err = d.ended()
			}
			return n, err, nil
		}
	}
}

// spliceBody lets the kernel move most of a body whose length is known. Where it cannot, nothing is moved.
func (e *Edge) spliceBody(from, to *wire, d *body, count *atomic.Int64) (n int64, rerr, werr error) {
	in, ok := from.conn.(*net.TCPConn)
	out, also := to.conn.(*net.TCPConn)
	if !ok || !also {
		return 0, nil, nil
	}
	from.release()
	for d.bulk() >= worthSplice {
		ask := min(d.bulk(), spliceSize)
		m, err := out.ReadFrom(&io.LimitedReader{R: in, N: ask})
		n += m
		count.Add(m)
		d.skip(m)
		switch {
		case err != nil && (timedOut(err) || from.over()):
			return n, err, nil
		case err != nil:
			return n, nil, err
		case m < ask:
			return n, d.ended(), nil
		}
	}
	return n, nil, nil
}
