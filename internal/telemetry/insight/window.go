package insight

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Source is where spans come from.
type Source interface {
	// ScanKeys calls fn with every span that started in the window, in no order, until it returns false.
	// With keys, spans have only these attributes and no message; nil keys are all.
	ScanKeys(ctx context.Context, since, until time.Time, keys []string, fn func(*telemetry.Span) bool) error
}

// Sampler is a source that can choose what to read of a window.
type Sampler interface {
	// Sample reads traces that stand for all of the window, about so many spans.
	Sample(ctx context.Context, since, until time.Time, keys []string, spans int) (telemetry.Sample, error)
}

// keys are the attributes that are read, but for those in the words of an error.
var keys = []string{
	"network.protocol.name", "msctl.inferred", faults, "peer.service", "server.address", "server.port",
	"network.peer.address", "network.peer.port", "net.peer.name", "net.peer.port", "db.query.text", "db.system.name", "db.system",
	"messaging.system", "rpc.system.name", "rpc.system", "http.request.method", "http.method",
	"http.response.status_code", "rpc.response.status_code", "rpc.grpc.status_code", "db.response.status_code",
}

// maxSpans bounds how many spans one question holds in memory, some 200 MB.
const maxSpans = 200_000

// Window is the traces of a time, as far as they fit.
type Window struct {
	Since, Until time.Time
	Truncated    bool // there were more spans than are looked at
	traces       []*tree
	left         []telemetry.Group // traces of which none was read
	speaks       []string          // services that sent spans of their own; nil: those of traces
}

// About how many spans are read of a window where that is a choice: all of a small one. What compares windows needs
// more, to tell a change from chance.
const (
	sampled  = 6000
	compared = 24_000
)

// words are the attributes in which errors are told.
var words = []string{"error.type", "exception.message"}

// Skim reads of a window what stands for it, where the source can tell, or else all that it says.
func Skim(ctx context.Context, src Source, since, until time.Time) (*Window, error) {
	return skim(ctx, src, since, until, slices.Concat(keys, words), sampled)
}

func skim(ctx context.Context, src Source, since, until time.Time, keys []string, spans int) (*Window, error) {
	sampler, ok := src.(Sampler)
	if !ok {
		return Look(ctx, src, since, until)
	}
	s, err := sampler.Sample(ctx, since, until, keys, spans)
	if err != nil {
		return nil, err
	}
	w := OfSample(s)
	w.Since, w.Until = since, until
	w.begin()
	return w, nil
}

// OfSample makes a window of a sample.
func OfSample(s telemetry.Sample) *Window {
	w := &Window{speaks: s.Speaks}
	groups := map[telemetry.TraceID][]telemetry.Span{}
	weights := map[telemetry.TraceID]float64{}
	for _, g := range s.Groups {
		if len(g.Traces) == 0 {
			w.left = append(w.left, g)
			continue
		}
		for i, t := range g.Traces {
			groups[t[0].Trace], weights[t[0].Trace] = t, g.Weight(i)
		}
	}
	w.take(groups)
	for _, t := range w.traces {
		t.weight = weights[t.spans[0].Trace]
	}
	return w
}

// begin fills in when a window began that has no beginning.
func (w *Window) begin() {
	if w.Since.IsZero() && len(w.traces) > 0 {
		w.Since = w.traces[0].spans[0].Start
	}
}

// Survey reads of a window what [Compare] has to know: of a large one enough spans to tell a change from chance.
func Survey(ctx context.Context, src Source, since, until time.Time) (*Window, error) {
	return skim(ctx, src, since, until, []string{inferred}, compared)
}

// Sampled reports that only a part of the window was read.
func (w *Window) Sampled() bool { return w.speaks != nil || w.Truncated }

// Add adds the spans of one more trace that stands for itself.
func (w *Window) Add(spans []telemetry.Span) { w.traces = append(w.traces, grow(spans)) }

// Look reads all spans of a window, up to a bound, with all that they say: it takes many times as long as [Skim].
func Look(ctx context.Context, src Source, since, until time.Time) (*Window, error) {
	if until.IsZero() {
		until = time.Now()
	}
	w := &Window{Since: since, Until: until}
	groups := map[telemetry.TraceID][]telemetry.Span{}
	n := 0
	err := src.ScanKeys(ctx, since, until, nil, func(s *telemetry.Span) bool {
		if n++; n > maxSpans {
			w.Truncated = true
			return false
		}
		groups[s.Trace] = append(groups[s.Trace], *s)
		return ctx.Err() == nil
	})
	if err != nil {
		return nil, err
	}
	w.take(groups)
	w.begin()
	return w, ctx.Err()
}

// Of makes a window of these spans alone, such as one trace's.
func Of(spans []telemetry.Span) *Window {
	groups := map[telemetry.TraceID][]telemetry.Span{}
	for _, s := range spans {
		groups[s.Trace] = append(groups[s.Trace], s)
	}
	w := &Window{}
	w.take(groups)
	return w
}

// take makes trees of the traces, on all processors, and orders them by start. The spans are its to keep.
func (w *Window) take(groups map[telemetry.TraceID][]telemetry.Span) {
	all := slices.Collect(maps.Values(groups))
	w.traces = make([]*tree, len(all))
	each(len(all), func(i int) { w.traces[i] = plant(all[i]) })
	slices.SortFunc(w.traces, func(a, b *tree) int {
		return cmp.Or(a.spans[0].Start.Compare(b.spans[0].Start), slices.Compare(a.spans[0].Trace[:], b.spans[0].Trace[:]))
	})
}

// each calls fn with every number below n, on all processors.
func each(n int, fn func(i int)) {
	var next atomic.Int64
	var working sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	working.Wait()
}

// id returns the id of the tree's trace.
func (t *tree) id() string { return t.spans[0].Trace.String() }
