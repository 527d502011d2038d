package chaos

import (
	"fmt"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var slowClose = Kind{
	Name:    "slow-close",
	Doc:     "the end of a connection is passed on later",
	Layer:   Connection,
	Stream:  "down",
	Params:  []Param{{Name: "delay", Doc: "how much later", Type: Duration, Required: true}},
	Example: "orders:orders-db slow-close=2s",
	New: func(a Args) (proxy.Fault, error) {
		return SlowClose{Delay: a.Duration("delay")}, nil
	},
}

// SlowClose passes on the end of what one side sends after Delay.
type SlowClose struct{ Delay time.Duration }

// String returns "slow-close 2s".
func (s SlowClose) String() string { return fmt.Sprintf("slow-close %v", s.Delay) }

// Shape returns the fault itself: it remembers nothing.
func (s SlowClose) Shape(proxy.Conn) proxy.Shape { return s }

// Next holds back the end alone.
func (s SlowClose) Next(_ time.Time, p proxy.Piece) proxy.Verdict {
	if p.Size > 0 {
		return proxy.Verdict{}
	}
	return proxy.Verdict{Wait: p.Came.Add(s.Delay)}
}

// Take does nothing.
func (SlowClose) Take(time.Time, []byte) {}
