package chaos

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var latency = Kind{
	Name:   "latency",
	Doc:    "answers take longer: each request over HTTP and gRPC, else each chunk of bytes; their order stays",
	Layer:  Connection,
	Stream: "down",
	Match:  byRequest,
	Params: []Param{
		{Name: "delay", Doc: "how much longer", Type: Duration, Required: true},
		{Name: "jitter", Doc: "give or take so much; of normal the standard deviation, of pareto the scale", Type: Duration, Default: "0s"},
		{Name: "distribution", Doc: "of the jitter", Type: Choice, Choices: []string{"uniform", "normal", "pareto"}, Default: "uniform"},
	},
	Example: "orders:payments latency=300ms,jitter=50ms",
	New:     newLatency,
}

func newLatency(a Args) (proxy.Fault, error) {
	l := Latency{Delay: a.Duration("delay"), Jitter: a.Duration("jitter"), Distribution: a.Text("distribution")}
	if len(a.Match) == 0 {
		return l, nil
	}
	return askEach(a, l.String(), func(*proxy.Request, uint64) (proxy.Action, bool) {
		return proxy.Action{Delay: l.Hold()}, true
	})
}

// Latency delays by Delay, give or take Jitter.
type Latency struct {
	Delay, Jitter time.Duration
	Distribution  string // "uniform" or "", "normal", "pareto": never less than Delay, and sometimes much more
}

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
	return min(max(0, l.Delay+l.stray()), longest)
}

// alpha is the shape of the pareto distribution: one in a hundred strays by more than twenty times the scale.
const alpha = 1.5

// stray draws how far one delay is from Delay.
func (l Latency) stray() time.Duration {
	j := float64(l.Jitter)
	switch l.Distribution {
	case "normal":
		return time.Duration(rand.NormFloat64() * j)
	case "pareto":
		return time.Duration(min(j*(math.Pow(1-rand.Float64(), -1/alpha)-1), float64(longest)))
	}
	return rand.N(2*l.Jitter+1) - l.Jitter
}
