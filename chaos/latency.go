package chaos

import (
	"fmt"
	"math/rand/v2"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var latency = Kind{
	Name:   "latency",
	Doc:    "an answer takes longer: each request over HTTP and gRPC, else each chunk of bytes, in order",
	Layer:  Connection,
	Stream: "down",
	Match:  []string{"path", "method", "header", "operation"},
	Params: []Param{
		{Name: "delay", Doc: "how much longer", Type: Duration, Required: true},
		{Name: "jitter", Doc: "give or take so much", Type: Duration, Default: "0s"},
	},
	Example: "orders:payments latency=300ms,jitter=50ms",
	New: func(a Args) (proxy.Fault, error) {
		l := Latency{Delay: a.Duration("delay"), Jitter: a.Duration("jitter")}
		if l.Jitter > l.Delay {
			return nil, fmt.Errorf("the jitter %s is more than the delay %s", l.Jitter, l.Delay)
		}
		return l, nil
	},
}

// Latency delays by Delay, give or take an even share of Jitter.
type Latency struct{ Delay, Jitter time.Duration }

// String returns "latency 200ms ±50ms".
func (l Latency) String() string {
	if l.Jitter == 0 {
		return fmt.Sprintf("latency %v", l.Delay)
	}
	return fmt.Sprintf("latency %v ±%v", l.Delay, l.Jitter)
}

// Hold draws one delay, which is never below zero.
func (l Latency) Hold() time.Duration {
	if l.Jitter <= 0 {
		return l.Delay
	}
	return max(0, l.Delay-l.Jitter+rand.N(2*l.Jitter+1))
}
