package proxy

import (
	"time"
)

// shaped reports whether faults act on the bytes of a wire in a direction. Only a caller's wire whose
// requests are forwarded has a link: there they act while it is read and written.
func (w *wire) shaped(up bool) bool { return w.link != nil && w.link.shaped(up) }

// fill reads what the faults let through.
func (l *link) fill(w *wire) error {
	for {
		if len(l.kept) == 0 {
			if err := l.read(w); err != nil {
				return err
			}
		}
		n, drop, err := l.up.next(Piece{len(l.kept), l.came}, w)
		if err != nil {
			return err
		}
		b := l.kept[:n]
		l.up.take(time.Now(), b)
		if !drop {
			w.borrow()
			n = copy(w.buf[w.w:], b)
			w.w += n
		}
		l.kept = l.kept[n:]
		if err := l.up.done(); err != nil || !drop {
			return err
		}
	}
}

// read reads the next bytes and keeps them.
func (l *link) read(w *wire) error {
	waiting := w.w - w.r
	err := w.read()
	if ended(err) {
		if _, _, stop := l.up.next(Piece{Came: time.Now()}, w); stop != nil {
			return stop
		}
	}
	if err != nil {
		return err
	}
	fresh := w.bytes()[waiting:]
	l.kept, l.came = append(l.kept[:0], fresh...), time.Now()
	w.w -= len(fresh)
	w.release()
	return nil
}

// write writes when the faults let it.
func (l *link) write(w *wire, b []byte) (int, error) {
	came := time.Now()
	for all := len(b); ; {
		n, drop, err := l.down.next(Piece{len(b), came}, w)
		if err == nil && len(b) > 0 {
			l.down.take(time.Now(), b[:n])
			if !drop {
				n, err = w.send(b[:n])
			}
			if b = b[n:]; err == nil {
				err = l.down.done()
			}
		}
		if err != nil || len(b) == 0 {
			return all - len(b), err
		}
	}
}
