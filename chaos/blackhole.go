package chaos

import (
	"fmt"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var blackhole = Kind{
	Name:   "blackhole",
	Doc:    "what is sent is lost; a connection that lost something is closed when the fault is lifted",
	Layer:  Connection,
	Stream: "down",
	Params: []Param{
		{Name: "after", Doc: "connections are closed so long after the fault met them", Type: Duration},
	},
	Example: "orders:events blackhole,after=5s stream=up",
	New: func(a Args) (proxy.Fault, error) {
		return Blackhole{After: a.Duration("after")}, nil
	},
}

// Blackhole swallows what is sent.
type Blackhole struct {
	After time.Duration // then the connection is closed; 0: never
}

// String returns "blackhole".
func (b Blackhole) String() string {
	if b.After == 0 {
		return "blackhole"
	}
	return fmt.Sprintf("blackhole after=%v", b.After)
}

// Ends closes the connection, if it is to be.
func (b Blackhole) Ends() (time.Duration, proxy.Ending) {
	if b.After == 0 {
		return 0, proxy.NoEnding
	}
	return b.After, proxy.ByClose
}

// Shape returns one that remembers whether bytes were lost.
func (b Blackhole) Shape(proxy.Conn) proxy.Shape { return new(hole) }

type hole struct{ lost bool }

func (h *hole) Next(_ time.Time, p proxy.Piece) proxy.Verdict {
	return proxy.Verdict{Drop: p.Size > 0}
}

func (h *hole) Take(time.Time, []byte) { h.lost = true }

// Broke reports whether the rest would make no sense to who gets it.
func (h *hole) Broke() bool { return h.lost }
