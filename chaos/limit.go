package chaos

import (
	"fmt"
	"strings"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var limits = Kind{
	Name:   "limit",
	Doc:    "connections are closed when so many bytes went, or after a time",
	Layer:  Connection,
	Stream: "down",
	Params: []Param{
		{Name: "bytes", Doc: "so many get through", Type: Size},
		{Name: "time", Doc: "so long they last", Type: Duration},
	},
	Example: "orders:payments limit=1MB",
	New:     newLimit,
}

func newLimit(a Args) (proxy.Fault, error) {
	bytes, lasts := a.Given("bytes"), a.Given("time")
	b := LimitBytes{Bytes: a.Size("bytes")}
	t := LimitTime{Time: a.Duration("time")}
	switch {
	case bytes && lasts:
		return Limit{b, t}, nil
	case bytes:
		return b, nil
	case lasts:
		return t, nil
	}
	return nil, wrong("write limit=1MB or limit time=10s", "put limit on %s: it says neither bytes nor time", a.Target)
}

// Limit is both limits, whichever is reached first.
type Limit struct {
	LimitBytes
	LimitTime
}

// String returns "limit 1MB time=10s".
func (l Limit) String() string {
	return l.LimitBytes.String() + strings.TrimPrefix(l.LimitTime.String(), "limit")
}

// LimitBytes closes a connection when so many Bytes went.
type LimitBytes struct{ Bytes int64 }

// String returns "limit 1MB".
func (l LimitBytes) String() string { return "limit " + size(l.Bytes) }

// Shape counts the bytes of a connection.
func (l LimitBytes) Shape(proxy.Conn) proxy.Shape { return &limiting{left: l.Bytes} }

type limiting struct{ left int64 }

func (l *limiting) Next(_ time.Time, p proxy.Piece) proxy.Verdict {
	switch {
	case p.Size == 0:
		return proxy.Verdict{}
	case l.left <= 0:
		return proxy.Verdict{End: proxy.ByClose}
	}
	return proxy.Verdict{Most: int(min(l.left, int64(p.Size)))}
}

func (l *limiting) Take(_ time.Time, b []byte) { l.left -= int64(len(b)) }

// Done closes the connection as soon as the last byte went.
func (l *limiting) Done() proxy.Ending {
	if l.left <= 0 {
		return proxy.ByClose
	}
	return proxy.NoEnding
}

// LimitTime closes a connection that has been there for Time since the fault met it.
type LimitTime struct{ Time time.Duration }

// String returns "limit time=10s".
func (l LimitTime) String() string { return fmt.Sprintf("limit time=%v", l.Time) }

// Ends closes the connection.
func (l LimitTime) Ends() (time.Duration, proxy.Ending) { return l.Time, proxy.ByClose }
