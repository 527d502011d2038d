package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Options bound a store.
type Options struct {
	Memory int64         // bytes that may be held in memory; 0 means 256 MiB
	Disk   int64         // bytes that may be held on disk; 0 means 1 GiB
	Age    time.Duration // of what is kept; 0 means 7 days
	Rows   int           // spans or log records of one segment; 0 means 16384
	Chunk  int           // rows of which the columns are read together; 0 means 4096
	Log    *slog.Logger  // nil: nothing is said

	disk disk             // nil means the file system
	now  func() time.Time // nil means time.Now
}

// Counts are the figures of a store. All but the first group count since it was opened.
type Counts struct {
	Spans    int64 `json:"spans"` // held now; those sent twice may count twice
	Logs     int64 `json:"logs"`
	Bytes    int64 `json:"bytes"`  // on disk
	Memory   int64 `json:"memory"` // bytes, about
	Segments int   `json:"segments"`

	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"` // not valid
	Refused  int64 `json:"refused"`  // requests answered with ErrFull
	Dropped  int64 `json:"dropped"`  // accepted, and lost because the disk takes nothing
	Expired  int64 `json:"expired"`  // removed by age or by size
	Bad      int64 `json:"bad"`      // segments that cannot be read
}

// Store keeps spans and logs. All methods may be called at the same time.
type Store struct {
	o         Options
	said      notices
	cache     cache
	atlas     atlas // of the spans
	spans     table
	logs      table
	enc       *zstd.Encoder // of the sealer
	flushNow  chan struct{}
	flushMuch chan struct{}
	sealNow   chan struct{}

	version  atomic.Uint64
	accepted atomic.Int64
	rejected atomic.Int64
	refused  atomic.Int64
}

func (o *Options) fill() {
	if o.Memory == 0 {
		o.Memory = 256 << 20
	}
	if o.Disk == 0 {
		o.Disk = 1 << 30
	}
	if o.Age == 0 {
		o.Age = 7 * 24 * time.Hour
	}
	if o.Rows == 0 {
		o.Rows = 16 << 10
	}
	if o.Chunk == 0 {
		o.Chunk = 4 << 10
	}
	if o.disk == nil {
		o.disk = local{}
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Run writes to disk what comes in, and removes what is too old or too much. When ctx ends it writes what
// is still in memory and returns. It is called once.
func (s *Store) Run(ctx context.Context) error {
	var g sync.WaitGroup
	g.Go(func() { s.flusher(ctx) })
	g.Go(func() { s.sealer(ctx) })
	g.Wait()
	return nil
}

// Version grows whenever something was stored or removed.
func (s *Store) Version() uint64 { return s.version.Load() }

// IngestTraces stores an ExportTraceServiceRequest in protobuf. A request that cannot be read is an error
// and nothing of it is stored; single spans that are not valid are rejected and counted. [ErrFull] means
// that it may be sent again later. It does not block on the disk and does not keep body.
func (s *Store) IngestTraces(body []byte) (Result, error) {
	return s.ingest(&s.spans, body, decodeSpan, "span")
}

// IngestLogs stores an ExportLogsServiceRequest in protobuf, as IngestTraces does.
func (s *Store) IngestLogs(body []byte) (Result, error) {
	return s.ingest(&s.logs, body, decodeLog, "log record")
}

// AddSpans stores spans of msctl itself. It does not block; the error is [ErrFull].
func (s *Store) AddSpans(spans []Span) error {
	if len(spans) == 0 {
		return nil
	}
	_, err := s.IngestTraces(EncodeSpans(spans))
	return err
}

// AddLogs stores log records, such as printed ones. It does not block; the error is [ErrFull].
func (s *Store) AddLogs(logs []Log) error {
	if len(logs) == 0 {
		return nil
	}
	_, err := s.IngestLogs(EncodeLogs(logs))
	return err
}

func (s *Store) ingest(t *table, body []byte, record func(*decoder, []byte) (bool, error), what string) (Result, error) {
	r, err := t.ingest(body, record)
	switch {
	case err == ErrFull:
		s.refused.Add(1)
		return Result{}, err
	case err != nil:
		return Result{}, fmt.Errorf("read %ss: %w", what, err)
	}
	s.accepted.Add(r.Accepted)
	s.rejected.Add(r.Rejected)
	if r.Rejected > 0 {
		r.Err = fmt.Sprintf("%d of %d %ss are not valid: no id, or too deep, too many or too long attributes",
			r.Rejected, r.Accepted+r.Rejected, what)
	}
	s.version.Add(1)
	return r, nil
}

// Counts returns the figures of the store.
func (s *Store) Counts() Counts {
	c := Counts{Accepted: s.accepted.Load(), Rejected: s.rejected.Load(), Refused: s.refused.Load()}
	c.Memory = s.cache.size()
	c.Spans = s.spans.count(&c)
	c.Logs = s.logs.count(&c)
	return c
}

// span of time in ns, both inclusive.
type span struct{ since, until int64 }

func windowOf(since, until time.Time) span {
	w := span{math.MinInt64, math.MaxInt64}
	if !since.IsZero() {
		w.since = nanos(since)
	}
	if !until.IsZero() {
		w.until = nanos(until) - 1
	}
	return w
}
