package proxy

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Stats are figures of one edge: counters since it was made, and the last ten seconds.
type Stats struct {
	Requests, Errors int64 // HTTP requests, calls, commands; connections where the protocol is not read
	InFlight         int64
	Open             int64 // connections of callers
	Sent, Received   int64 // bytes from and to the caller

	Rate, Failed  float64 // requests and errors per second
	P50, P95, P99 time.Duration

	Faults  []string // that act now
	Targets []TargetStats
}

// TargetStats are figures of one target.
type TargetStats struct {
	Target
	Open    int64 // connections, or requests in flight where the protocol is HTTP
	Ejected bool
}

// Stats returns the figures at a time, which may not be before that of an earlier call.
func (e *Edge) Stats(now time.Time) Stats {
	s := Stats{
		Requests: e.count.requests.Load(), Errors: e.count.errors.Load(),
		InFlight: e.count.inFlight.Load(), Open: e.count.open.Load(),
		Sent: e.count.sent.Load(), Received: e.count.received.Load(),
		Faults: e.faults.Load().words(),
	}
	e.recent.read(now, &s)
	if t := e.table.Load(); t != nil {
		for i, live := range t.live {
			s.Targets = append(s.Targets, TargetStats{Target: t.all[i], Open: live.busy.Load(), Ejected: live.out(now.UnixNano())})
		}
	}
	return s
}

// counters are figures since the edge was made.
type counters struct {
	requests, errors, inFlight, open, sent, received atomic.Int64
}

// window is the number of whole seconds that figures of the recent past are of.
const window = 10

// recent keeps the calls that ended in the last seconds, one slot for each.
type recent struct {
	mu    sync.Mutex
	since int64 // second of the first call, 0 none yet
	slots [window + 1]slot
}

// slot is the calls that ended within one second.
type slot struct {
	second        int64
	calls, errors int64
	buckets       [bucketCount]uint32
}

// add notes a call that ended.
func (r *recent) add(end time.Time, took time.Duration, failed bool) {
	second := end.Unix()
	i := bucketOf(took)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since == 0 {
		r.since = second
	}
	s := &r.slots[second%int64(len(r.slots))]
	if s.second != second {
		*s = slot{second: second}
	}
	s.calls++
	if failed {
		s.errors++
	}
	s.buckets[i]++
}

// read fills in what is of the last seconds: the running one and the whole ones before it.
func (r *recent) read(now time.Time, to *Stats) {
	second := now.Unix()
	var sum slot
	r.mu.Lock()
	for i := range r.slots {
		s := &r.slots[i]
		if s.second > second || s.second <= second-window || s.calls == 0 {
			continue
		}
		sum.calls += s.calls
		sum.errors += s.errors
		for b, n := range s.buckets {
			sum.buckets[b] += n
		}
	}
	since := r.since
	r.mu.Unlock()
	if sum.calls == 0 {
		return
	}
	// The window is shorter where the edge is young.
	from := max(float64(since), float64(second-window+1))
	span := max(1, float64(now.UnixNano())/1e9-from)
	to.Rate, to.Failed = float64(sum.calls)/span, float64(sum.errors)/span
	to.P50, to.P95, to.P99 = sum.quantile(0.50), sum.quantile(0.95), sum.quantile(0.99)
}

// quantile returns the duration that a share of the calls did not exceed, within 3.2 %.
func (s *slot) quantile(share float64) time.Duration {
	rank := int64(share * float64(s.calls))
	if float64(rank) < share*float64(s.calls) {
		rank++
	}
	seen := int64(0)
	for i, n := range s.buckets {
		if seen += int64(n); seen >= max(rank, 1) {
			return bucketMiddle(i)
		}
	}
	return 0
}

// The histogram is log-linear: below 16 units of 256 ns one bucket each, then 16 buckets for each power of
// two, up to 2^32 units (18 minutes).
const (
	unitBits    = 8
	subBits     = 4
	bucketCount = (32 - subBits + 1) << subBits
)

func bucketOf(d time.Duration) int {
	u := uint64(max(d, 0)) >> unitBits
	if u < 1<<subBits {
		return int(u)
	}
	shift := bits.Len64(u) - 1 - subBits
	return min((shift+1)<<subBits+int(u>>shift)&(1<<subBits-1), bucketCount-1)
}

// bucketMiddle is the middle of what falls into a bucket.
func bucketMiddle(i int) time.Duration {
	low, width := uint64(i), uint64(1)
	if shift := i>>subBits - 1; shift >= 0 {
		low = (uint64(i)&(1<<subBits-1) | 1<<subBits) << shift
		width = 1 << shift
	}
	return time.Duration((low<<unitBits + width<<unitBits/2))
}
