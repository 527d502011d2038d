package chaos

import (
	"fmt"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var delay = Kind{
	Name:      "delay",
	Doc:       "a request of HTTP or gRPC is held back, or with stream=down its answer; others on the same connection are not",
	Layer:     HTTP,
	Stream:    "up",
	Match:     byRequest,
	Protocols: overHTTP,
	Params: []Param{
		{Name: "time", Doc: "how long", Type: Duration, Required: true},
		{Name: "jitter", Doc: "give or take so much, drawn with the seed", Type: Duration, Default: "0s"},
	},
	Example: "orders:payments delay=300ms match=/charge match.method=POST",
	New:     newDelay,
}

func newDelay(a Args) (proxy.Fault, error) {
	d, jitter := a.Duration("time"), a.Duration("jitter")
	if jitter > d {
		return nil, fmt.Errorf("the jitter %s is more than the delay %s", jitter, d)
	}
	m, err := matcher(a)
	if err != nil {
		return nil, err
	}
	return &request{delayWords("delay", d, jitter), m, func(_ *proxy.Request, n uint64) (proxy.Action, bool) {
		wait := d + time.Duration((2*m.Coin(n)-1)*float64(jitter))
		if a.Stream == "down" {
			return proxy.Action{DelayAnswer: wait}, true
		}
		return proxy.Action{Delay: wait}, true
	}}, nil
}

func delayWords(kind string, d, jitter time.Duration) string {
	if jitter == 0 {
		return fmt.Sprintf("%s %v", kind, d)
	}
	return fmt.Sprintf("%s %v ±%v", kind, d, jitter)
}
