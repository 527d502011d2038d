package chaos

import (
	"fmt"
	"math/rand/v2"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var slicer = Kind{
	Name:   "slicer",
	Doc:    "bytes come in small pieces",
	Layer:  Connection,
	Stream: "down",
	Params: []Param{
		{Name: "size", Doc: "of a piece", Type: Size, Required: true},
		{Name: "variation", Doc: "give or take so much", Type: Size, Default: "0"},
		{Name: "delay", Doc: "between two pieces", Type: Duration, Default: "0s"},
	},
	Example: "gateway:orders slicer=16,delay=5ms stream=up",
	New: func(a Args) (proxy.Fault, error) {
		s := Slicer{Size: a.Size("size"), Variation: a.Size("variation"), Delay: a.Duration("delay")}
		if s.Size < 1 {
			return nil, fmt.Errorf("a piece of no bytes")
		}
		return s, nil
	},
}

// Slicer cuts what is sent into pieces of Size, give or take Variation, with Delay between them.
type Slicer struct {
	Size, Variation int64
	Delay           time.Duration
}

// String returns "slicer 16B".
func (s Slicer) String() string {
	text := "slicer " + size(s.Size)
	if s.Variation > 0 {
		text += " ±" + size(s.Variation)
	}
	if s.Delay > 0 {
		text += fmt.Sprintf(" delay=%v", s.Delay)
	}
	return text
}

// Shape draws its own pieces.
func (s Slicer) Shape(c proxy.Conn) proxy.Shape {
	return &slicing{Slicer: s, draw: rand.New(rand.NewPCG(c.Seed, 0))}
}

type slicing struct {
	Slicer
	draw *rand.Rand
	next int64     // size of the next piece; 0: not drawn
	free time.Time // when it may go
}

func (s *slicing) Next(_ time.Time, p proxy.Piece) proxy.Verdict {
	if s.next == 0 {
		s.next = s.Size
		if s.Variation > 0 {
			s.next = max(1, s.Size-s.Variation+s.draw.Int64N(2*s.Variation+1))
		}
	}
	return proxy.Verdict{Wait: s.free, Most: int(min(s.next, int64(max(p.Size, 1))))}
}

func (s *slicing) Take(now time.Time, _ []byte) { s.next, s.free = 0, now.Add(s.Delay) }
