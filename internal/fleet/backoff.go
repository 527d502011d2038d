package fleet

import (
	"context"
	"math/rand/v2"
	"time"

	"msctl.dev/msctl/internal/stack"
)

const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 30 * time.Second
	jitter     = 0.2              // part of the delay, up and down
	healthy    = 60 * time.Second // ready this long, and the failures before are forgotten
)

// delay returns how long to wait before the next try after so many failures in a row: doubled each time
// up to 30 s, give or take a fifth, so that units that failed together do not return together.
func delay(r stack.Restart, failures int) time.Duration {
	d := r.Delay
	if d <= 0 {
		d = firstDelay
	}
	for i := 1; i < failures && d < maxDelay; i++ {
		d *= 2
	}
	d = min(d, maxDelay)
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}

// sleep waits for d, or until ctx ends, and reports whether it was the former.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
