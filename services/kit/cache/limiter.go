package cache

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/services/kit"
)

// Limiter lets each client through so often, over all replicas (GCRA).
type Limiter struct {
	limiter *redis_rate.Limiter
	limit   redis_rate.Limit
}

// NewLimiter allows perSecond requests per second and client, and burst at once.
func NewLimiter(c *redis.Client, perSecond, burst int) *Limiter {
	return &Limiter{redis_rate.NewLimiter(c),
		redis_rate.Limit{Rate: perSecond, Burst: burst, Period: time.Second}}
}

// Allow returns nil, or a 429 problem, and says in w's headers what is left. Where Redis does not
// answer, everything is allowed: a limit is no reason to be down.
func (l *Limiter) Allow(ctx context.Context, w http.ResponseWriter, client string) error {
	res, err := l.limiter.Allow(ctx, "rate:"+client, l.limit)
	if err != nil {
		return nil
	}
	w.Header().Set("RateLimit-Limit", strconv.Itoa(l.limit.Burst))
	w.Header().Set("RateLimit-Remaining", strconv.Itoa(res.Remaining))
	if res.Allowed > 0 {
		return nil
	}
	after := max(1, int(res.RetryAfter.Seconds()+0.999))
	w.Header().Set("Retry-After", strconv.Itoa(after))
	return kit.Errorf(http.StatusTooManyRequests, "rate-limited",
		"%s", fmt.Sprintf("over %d requests per second; try again in %d s", l.limit.Rate, after))
}
