package chaos

import (
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var stall = Kind{
	Name:    "stall",
	Doc:     "nothing gets through until the fault is lifted; then all of it does",
	Layer:   Connection,
	Stream:  "down",
	Params:  []Param{{Name: "bytes", Doc: "so many get through before", Type: Size, Default: "0"}},
	Example: "orders:payments stall=1KB",
	New: func(a Args) (proxy.Fault, error) {
		return Stall{Bytes: a.Size("bytes")}, nil
	},
}

// Stall holds back what comes behind the first Bytes of a connection.
type Stall struct{ Bytes int64 }

// String returns "stall".
func (s Stall) String() string {
	if s.Bytes == 0 {
		return "stall"
	}
	return "stall bytes=" + size(s.Bytes)
}

// Shape counts the bytes of a connection.
func (s Stall) Shape(proxy.Conn) proxy.Shape { return &stalling{left: s.Bytes} }

type stalling struct{ left int64 }

func (s *stalling) Next(_ time.Time, p proxy.Piece) proxy.Verdict {
	if s.left <= 0 {
		return proxy.Verdict{Held: true}
	}
	return proxy.Verdict{Most: int(min(s.left, most))}
}

func (s *stalling) Take(_ time.Time, b []byte) { s.left -= int64(len(b)) }
