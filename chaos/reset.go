package chaos

import (
	"fmt"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var reset = Kind{
	Name:   "reset",
	Doc:    "connections are reset: when the next bytes come, so long after them, when so many went, or now",
	Layer:  Connection,
	Stream: "down",
	Params: []Param{
		{Name: "after", Doc: "so long after the first bytes, which are lost", Type: Duration, Default: "0s"},
		{Name: "bytes", Doc: "so many get through before", Type: Size, Default: "0"},
		{Name: "now", Doc: "open connections at once and new ones as they come; with after= so much later", Type: Flag, Default: "false"},
	},
	Example: "orders:orders-db reset bytes=64KB",
	New: func(a Args) (proxy.Fault, error) {
		if a.Flag("now") {
			if a.Given("bytes") {
				return nil, fmt.Errorf("now waits for no bytes")
			}
			return ResetNow{After: a.Duration("after")}, nil
		}
		return Reset{After: a.Duration("after"), Bytes: a.Size("bytes")}, nil
	},
}

// Reset resets a connection when more than Bytes were sent, and After has passed since.
type Reset struct {
	After time.Duration
	Bytes int64
}

// String returns "reset after=2s".
func (r Reset) String() string {
	text := "reset"
	if r.After > 0 {
		text += fmt.Sprintf(" after=%v", r.After)
	}
	if r.Bytes > 0 {
		text += " bytes=" + size(r.Bytes)
	}
	return text
}

// Shape counts the bytes of a connection.
func (r Reset) Shape(proxy.Conn) proxy.Shape { return &resetting{Reset: r} }

type resetting struct {
	Reset
	went  int64
	since time.Time // when more came
}

func (r *resetting) Next(now time.Time, p proxy.Piece) proxy.Verdict {
	left := r.Bytes - r.went
	switch {
	case left > 0:
		return proxy.Verdict{Most: int(min(left, most))}
	case p.Size == 0 && r.since.IsZero():
		return proxy.Verdict{} // it ends by itself
	}
	if r.since.IsZero() {
		r.since = now
	}
	if due := r.since.Add(r.After); due.After(now) {
		return proxy.Verdict{Wait: due}
	}
	return proxy.Verdict{End: proxy.ByReset}
}

func (r *resetting) Take(_ time.Time, b []byte) { r.went += int64(len(b)) }

// ResetNow resets connections whether or not something goes over them.
type ResetNow struct{ After time.Duration }

// String returns "reset now".
func (r ResetNow) String() string {
	if r.After == 0 {
		return "reset now"
	}
	return fmt.Sprintf("reset now after=%v", r.After)
}

// Ends resets the connection.
func (r ResetNow) Ends() (time.Duration, proxy.Ending) { return r.After, proxy.ByReset }
