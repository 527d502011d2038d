package tui

// list is a window over n rows with one of them chosen. It knows nothing of the rows.
type list struct {
	at   int // the chosen row
	top  int // the first visible one
	n    int // places where the chosen one can be
	all  int // rows there are
	h    int // visible rows, as last drawn
	lead int // rows of the screen above the first one, as last drawn
}

// move changes the chosen row by that many.
func (l *list) move(by int) { l.at = clamp(l.at+by, 0, l.n-1) }

// set says how many rows there are and how many are visible, and returns the visible range.
func (l *list) set(n, h int) (from, to int) {
	l.n, l.all, l.h = n, n, max(h, 0)
	l.at = clamp(l.at, 0, n-1)
	if l.at < l.top {
		l.top = l.at
	}
	if l.at >= l.top+l.h {
		l.top = l.at - l.h + 1
	}
	l.top = clamp(l.top, 0, max(0, n-l.h))
	return l.top, min(n, l.top+l.h)
}

func clamp(v, low, high int) int { return max(low, min(v, high)) }
