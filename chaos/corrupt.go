package chaos

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var corrupt = Kind{
	Name:    "corrupt",
	Doc:     "bits of what is sent are turned over",
	Layer:   Connection,
	Stream:  "down",
	Params:  []Param{{Name: "share", Doc: "of the bytes that get one wrong bit", Type: Share, Default: "0.001"}},
	Example: "orders:orders-db corrupt=0.01 seed=7",
	New: func(a Args) (proxy.Fault, error) {
		c := Corrupt{Share: a.Share("share")}
		if c.Share == 0 {
			return nil, fmt.Errorf("a share of 0 does nothing")
		}
		return c, nil
	},
}

// Corrupt turns over one bit of that Share of the bytes. The same seed gives the same bits.
type Corrupt struct{ Share float64 }

// String returns "corrupt 0.01".
func (c Corrupt) String() string { return fmt.Sprintf("corrupt %g", c.Share) }

// Shape draws its own bits.
func (c Corrupt) Shape(conn proxy.Conn) proxy.Shape {
	s := &corrupting{Corrupt: c, draw: rand.New(rand.NewPCG(conn.Seed, 1))}
	s.left = s.skip()
	return s
}

type corrupting struct {
	Corrupt
	draw *rand.Rand
	left int // bytes that stay before the next that does not
}

// skip draws how many bytes stay: from a geometric distribution, one draw for each wrong byte.
func (c *corrupting) skip() int {
	if c.Share >= 1 {
		return 0
	}
	return int(min(math.Log(1-c.draw.Float64())/math.Log(1-c.Share), math.MaxInt32))
}

func (*corrupting) Next(time.Time, proxy.Piece) proxy.Verdict { return proxy.Verdict{} }

func (c *corrupting) Take(_ time.Time, b []byte) {
	for c.left < len(b) {
		b[c.left] ^= 1 << c.draw.IntN(8)
		c.left += 1 + c.skip()
	}
	c.left -= len(b)
}
