package telemetry

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// MetricOptions bound a [MetricStore].
type MetricOptions struct {
	Series int           // that may be held; 0 means 20,000
	Bytes  int64         // that their points may take, about; 0 means 64 MiB
	Full   time.Duration // for which every point is kept, then one a minute; 0 means 15 minutes
	Keep   time.Duration // for which any is kept; 0 means 24 hours
	Log    *slog.Logger  // nil: nothing is said
	Now    func() time.Time
}

// MetricCounts are the figures of a store of metrics.
type MetricCounts struct {
	Series   int   `json:"series"` // held now
	Bytes    int64 `json:"bytes"`  // of their points, about
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"` // points that are not valid, too old, or of a series beyond the bound
	Refused  int64 `json:"refused"`  // of these, those of a series beyond the bound
	Evicted  int64 `json:"evicted"`  // points removed before their time because all took too much
}

// MetricStore keeps metrics in memory, and a snapshot of them in a file. Sums and histograms of deltas are
// kept as running totals. All methods may be called at the same time.
type MetricStore struct {
	path string
	o    MetricOptions

	mu      sync.Mutex
	series  map[string]*series // by identity
	counts  MetricCounts
	swept   time.Time // when series were last looked through for idle ones
	version uint64    // grows with each change
}

// saveEvery is the time between two snapshots.
const saveEvery = 30 * time.Second

// OpenMetrics reads the snapshot of an earlier run, where there is one: what cannot be read is said in the
// log and passed over. With path "" nothing is written. The caller runs [MetricStore.Run].
func OpenMetrics(path string, o MetricOptions) *MetricStore {
	o.Series = cmp.Or(o.Series, 20_000)
	o.Bytes = cmp.Or(o.Bytes, 64<<20)
	o.Full = cmp.Or(o.Full, 15*time.Minute)
	o.Keep = cmp.Or(o.Keep, 24*time.Hour)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &MetricStore{path: path, o: o, series: map[string]*series{}}
	if err := m.load(); err != nil {
		o.Log.Warn("metrics of the last run not read", "err", err)
	}
	return m
}

// Run thins what gets old and writes a snapshot from time to time, and once more when ctx ends.
func (m *MetricStore) Run(ctx context.Context) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	var saved uint64
	failing := false
	for ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		m.thin()
		version, err := m.save(saved)
		saved = version
		if err != nil && !failing {
			m.o.Log.Warn("metrics not written", "err", err)
		}
		failing = err != nil
	}
	return nil
}

// Counts returns the current figures.
func (m *MetricStore) Counts() MetricCounts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	c.Series = len(m.series)
	return c
}

// Metrics answers a query with series sorted by service, name and attributes, those without a point in
// the window left out. The error is of the filter.
func (m *MetricStore) Metrics(ctx context.Context, q MetricQuery) ([]Series, error) {
	n, err := filter.Parse(q.Filter)
	if err != nil {
		return nil, err
	}
	n, bounds, err := filter.Window(n, m.o.Now())
	if err != nil {
		return nil, err
	}
	q.Since, q.Until = later(q.Since, bounds.Since), earlier(q.Until, bounds.Until)
	limit := cmp.Or(q.Limit, 100)
	var out []Series
	for i, s := range m.sorted() {
		if len(out) == limit || i%256 == 0 && ctx.Err() != nil {
			break
		}
		if q.Name != "" && s.head.Name != q.Name {
			continue
		}
		if found, ok := m.answer(s, n, q); ok {
			out = append(out, found)
		}
	}
	return out, ctx.Err()
}

// Last returns each series that has a point since then, with its last point only.
func (m *MetricStore) Last(since time.Time) []Series {
	var out []Series
	for _, s := range m.sorted() {
		m.mu.Lock()
		if n := len(s.points); n > 0 && s.points[n-1].at >= since.UnixNano() {
			found := s.head
			found.Points = []Point{s.points[n-1].point()}
			out = append(out, found)
		}
		m.mu.Unlock()
	}
	return out
}

// sorted returns the series in the order of answers. What head says of them never changes.
func (m *MetricStore) sorted() []*series {
	m.mu.Lock()
	all := make([]*series, 0, len(m.series))
	for _, s := range m.series {
		all = append(all, s)
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b *series) int {
		return cmp.Or(strings.Compare(a.head.Service, b.head.Service), strings.Compare(a.head.Name, b.head.Name), strings.Compare(a.id, b.id))
	})
	return all
}

func (m *MetricStore) answer(s *series, n *filter.Node, q MetricQuery) (Series, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := s.head
	if len(s.points) == 0 || !n.Match(s.value, s.text) {
		return found, false
	}
	for _, p := range s.points {
		at := p.time()
		if at.Before(q.Since) || !q.Until.IsZero() && !at.Before(q.Until) {
			continue
		}
		found.Points = append(found.Points, p.point())
	}
	found.Exemplars = slices.Clone(s.exemplars)
	return found, len(found.Points) > 0
}

// later returns the later of two lower bounds, of which zero is none.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// earlier returns the earlier of two upper bounds, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
