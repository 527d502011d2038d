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
	if !spliceable(from, to) {
		return 0, nil, nil
	}
	from.release()
	for d.bulk() >= worthSplice && rerr == nil && werr == nil && !from.shaped(true) && !to.shaped(false) {
		var m int64
		m, rerr, werr = e.moveHeeding(from, to, min(d.bulk(), spliceSize))
		n += m
		count.Add(m)
		d.skip(m)
	}
	if ended(rerr) {
		rerr = d.ended()
	}
	return n, rerr, werr
}

// moveHeeding is move, but for the faults: when they change it ends early.
func (e *Edge) moveHeeding(from, to *wire, n int64) (m int64, rerr, werr error) {
	if to.link == nil {
		return from.move(to, n)
	}
	_, err := e.unheeding(from.conn, e.faults.Load(), func() error {
		m, rerr, werr = from.move(to, n)
		return rerr
	})
	return m, err, werr
}

// spliceable reports whether the kernel may move bytes from one wire to another.
func spliceable(from, to *wire) bool {
	_, in := from.conn.(*net.TCPConn)
	_, out := to.conn.(*net.TCPConn)
	return in && out && from.raw != nil && to.raw != nil
}

// copyTo is move as the library does it.
func (w *wire) copyTo(to *wire, n int64) (moved int64, rerr, werr error) {
	moved, err := to.conn.(*net.TCPConn).ReadFrom(&io.LimitedReader{R: w.conn, N: n})
	switch {
	case err != nil && (timedOut(err) || w.over()):
		return moved, err, nil
	case err == nil && moved < n:
		return moved, io.EOF, nil
	}
	return moved, nil, err
}
