package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	pb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

var metricNow = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const (
	deltas     = pb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
	cumulative = pb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
)

func textAttr(k, v string) *common.KeyValue {
	return &common.KeyValue{Key: k, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v}}}
}

// metricsOf encodes metrics of one service.
func metricsOf(service string, ms ...*pb.Metric) []byte {
	b, err := proto.Marshal(&collector.ExportMetricsServiceRequest{ResourceMetrics: []*pb.ResourceMetrics{{
		Resource:     &resource.Resource{Attributes: []*common.KeyValue{textAttr("service.name", service), textAttr("service.instance.id", service+"-1")}},
		ScopeMetrics: []*pb.ScopeMetrics{{Scope: &common.InstrumentationScope{Name: "lib"}, Metrics: ms}},
	}}})
	if err != nil {
		panic(err)
	}
	return b
}

func nsAt(ago time.Duration) uint64 { return uint64(metricNow.Add(-ago).UnixNano()) }

func sumMetric(name string, how pb.AggregationTemporality, at uint64, v float64, attrs ...*common.KeyValue) *pb.Metric {
	return &pb.Metric{Name: name, Unit: "1", Description: "doc", Data: &pb.Metric_Sum{Sum: &pb.Sum{AggregationTemporality: how, IsMonotonic: true,
		DataPoints: []*pb.NumberDataPoint{{TimeUnixNano: at, Attributes: attrs, Value: &pb.NumberDataPoint_AsDouble{AsDouble: v}}}}}}
}

func fixedMetrics(path string, o MetricOptions) *MetricStore {
	o.Now = func() time.Time { return metricNow }
	return OpenMetrics(path, o)
}

func ingestMetrics(t *testing.T, m *MetricStore, body []byte) Result {
	t.Helper()
	res, err := m.IngestMetrics(body)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func allSeries(t *testing.T, m *MetricStore, q MetricQuery) []Series {
	t.Helper()
	out, err := m.Metrics(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func seriesValues(s Series) (out []float64) {
	for _, p := range s.Points {
		out = append(out, p.Value)
	}
	return out
}

// TestMetricTypes: each type of OTLP comes back as a series.
func TestMetricTypes(t *testing.T) {
	m := fixedMetrics("", MetricOptions{})
	at := nsAt(time.Second)
	total := 12.5
	body := metricsOf("orders",
		&pb.Metric{Name: "a.gauge", Unit: "By", Data: &pb.Metric_Gauge{Gauge: &pb.Gauge{DataPoints: []*pb.NumberDataPoint{
			{TimeUnixNano: at, Value: &pb.NumberDataPoint_AsInt{AsInt: 7}, Exemplars: []*pb.Exemplar{{TimeUnixNano: at, Value: &pb.Exemplar_AsInt{AsInt: 7}, TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{2}, 8)}}}}}}},
		sumMetric("b.sum", cumulative, at, 3, textAttr("route", "/v1")),
		&pb.Metric{Name: "c.histogram", Data: &pb.Metric_Histogram{Histogram: &pb.Histogram{AggregationTemporality: cumulative, DataPoints: []*pb.HistogramDataPoint{
			{TimeUnixNano: at, Count: 3, Sum: &total, ExplicitBounds: []float64{1, 5}, BucketCounts: []uint64{1, 0, 2}}}}}},
		&pb.Metric{Name: "d.expo", Data: &pb.Metric_ExponentialHistogram{ExponentialHistogram: &pb.ExponentialHistogram{AggregationTemporality: cumulative, DataPoints: []*pb.ExponentialHistogramDataPoint{
			{TimeUnixNano: at, Count: 6, Sum: &total, Scale: 0, ZeroCount: 1, Positive: &pb.ExponentialHistogramDataPoint_Buckets{Offset: 1, BucketCounts: []uint64{2, 3}}}}}}},
		&pb.Metric{Name: "e.summary", Data: &pb.Metric_Summary{Summary: &pb.Summary{DataPoints: []*pb.SummaryDataPoint{
			{TimeUnixNano: at, Count: 4, Sum: 8, QuantileValues: []*pb.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.5, Value: 2}, {Quantile: 0.9, Value: math.NaN()}}}}}}},
	)
	if res := ingestMetrics(t, m, body); res != (Result{Accepted: 5}) {
		t.Fatalf("ingest: %+v", res)
	}
	when := metricNow.Add(-time.Second)
	instance := Attr{"service.instance.id", "orders-1"}
	want := []Series{
		{Service: "orders", Name: "a.gauge", Unit: "By", Type: "gauge", Scope: "lib", Attrs: []Attr{instance}, Points: []Point{{Time: when, Value: 7}},
			Exemplars: []Exemplar{{Time: when, Value: 7, Trace: TraceID(bytes.Repeat([]byte{1}, 16)), Span: SpanID(bytes.Repeat([]byte{2}, 8)), Attrs: []Attr{}}}},
		{Service: "orders", Name: "b.sum", Unit: "1", Doc: "doc", Type: "sum", Monoton: true, Scope: "lib", Attrs: []Attr{{"route", "/v1"}, instance}, Points: []Point{{Time: when, Value: 3}}},
		{Service: "orders", Name: "c.histogram", Type: "histogram", Scope: "lib", Attrs: []Attr{instance}, Points: []Point{{Time: when, Value: 12.5, Count: 3, Bounds: []float64{1, 5}, Counts: []uint64{1, 0, 2}}}},
		{Service: "orders", Name: "d.expo", Type: "histogram", Scope: "lib", Attrs: []Attr{instance}, Points: []Point{{Time: when, Value: 12.5, Count: 6, Bounds: []float64{2, 4, 8}, Counts: []uint64{1, 2, 3, 0}}}},
		{Service: "orders", Name: "e.summary", Type: "summary", Scope: "lib", Attrs: []Attr{instance}, Points: []Point{{Time: when, Value: 8, Count: 4, Bounds: []float64{0.5}, Values: []float64{2}}}},
	}
	if diff := cmp.Diff(want, allSeries(t, m, MetricQuery{})); diff != "" {
		t.Errorf("series (-want +got)\n%s", diff)
	}
	if _, err := json.Marshal(m.Last(time.Time{})); err != nil {
		t.Errorf("encode as JSON: %v", err)
	}
}

// TestMetricDeltas: deltas become running totals, cumulative values stay.
func TestMetricDeltas(t *testing.T) {
	m := fixedMetrics("", MetricOptions{})
	for i := range 3 {
		at := nsAt(time.Duration(3-i) * time.Second)
		total := 10.0
		ingestMetrics(t, m, metricsOf("orders", sumMetric("a", deltas, at, 2), sumMetric("b", cumulative, at, 2),
			&pb.Metric{Name: "h", Data: &pb.Metric_Histogram{Histogram: &pb.Histogram{AggregationTemporality: deltas, DataPoints: []*pb.HistogramDataPoint{
				{TimeUnixNano: at, Count: 2, Sum: &total, ExplicitBounds: []float64{1}, BucketCounts: []uint64{1, 1}}}}}},
			&pb.Metric{Name: "x", Data: &pb.Metric_ExponentialHistogram{ExponentialHistogram: &pb.ExponentialHistogram{AggregationTemporality: deltas, DataPoints: []*pb.ExponentialHistogramDataPoint{
				{TimeUnixNano: at, Count: 1, Sum: &total, Scale: int32(i), Positive: &pb.ExponentialHistogramDataPoint_Buckets{Offset: 0, BucketCounts: []uint64{1}}}}}}}))
	}
	got := allSeries(t, m, MetricQuery{})
	for i, want := range [][]float64{{2, 4, 6}, {2, 2, 2}, {10, 20, 30}, {10, 20, 30}} {
		if diff := cmp.Diff(want, seriesValues(got[i])); diff != "" {
			t.Errorf("%s (-want +got)\n%s", got[i].Name, diff)
		}
	}
	if diff := cmp.Diff([]uint64{3, 3}, got[2].Points[2].Counts); diff != "" {
		t.Errorf("histogram (-want +got)\n%s", diff)
	}
	last := got[3].Points[2]
	if diff := cmp.Diff(Point{Time: last.Time, Value: 30, Count: 3, Bounds: []float64{1, 2}, Counts: []uint64{0, 3, 0}}, last); diff != "" {
		t.Errorf("exponential histogram (-want +got)\n%s", diff)
	}
}

// TestMetricRefusals: what is not valid is rejected and counted, with the reason of the first.
func TestMetricRefusals(t *testing.T) {
	at := nsAt(time.Second)
	hist := func(bounds []float64, counts []uint64) *pb.Metric {
		return &pb.Metric{Name: "h", Data: &pb.Metric_Histogram{Histogram: &pb.Histogram{DataPoints: []*pb.HistogramDataPoint{{TimeUnixNano: at, ExplicitBounds: bounds, BucketCounts: counts}}}}}
	}
	expos := func(scale, offset int32, n int) *pb.Metric {
		return &pb.Metric{Name: "x", Data: &pb.Metric_ExponentialHistogram{ExponentialHistogram: &pb.ExponentialHistogram{DataPoints: []*pb.ExponentialHistogramDataPoint{
			{TimeUnixNano: at, Scale: scale, Positive: &pb.ExponentialHistogramDataPoint_Buckets{Offset: offset, BucketCounts: make([]uint64, n)}}}}}}
	}
	for name, metric := range map[string]*pb.Metric{
		"nan":            sumMetric("a", cumulative, at, math.NaN()),
		"infinite":       sumMetric("a", cumulative, at, math.Inf(-1)),
		"too old":        sumMetric("a", cumulative, nsAt(25*time.Hour), 1),
		"long attribute": sumMetric("a", cumulative, at, 1, textAttr("k", strings.Repeat("x", 5000))),
		"counts":         hist([]float64{1, 2}, []uint64{1}),
		"order":          hist([]float64{2, 1}, []uint64{1, 1, 1}),
		"nan bound":      hist([]float64{1, math.NaN()}, []uint64{1, 1, 1}),
		"many buckets":   hist(make([]float64, 1000), make([]uint64, 1001)),
		"scale":          expos(100, 0, 1),
		"offset":         expos(0, math.MinInt32, 1),
		"many":           expos(0, 0, 10_000),
		"long":           sumMetric("a", cumulative, at, 1, textAttr("k", strings.Repeat("x", 70<<10))),
	} {
		m := fixedMetrics("", MetricOptions{})
		if res := ingestMetrics(t, m, metricsOf("orders", metric)); res.Rejected != 1 || res.Accepted != 0 || res.Err == "" {
			t.Errorf("%s: %+v, want one rejected", name, res)
		}
		if n := len(allSeries(t, m, MetricQuery{})); n != 0 {
			t.Errorf("%s: %d series, want none", name, n)
		}
	}
	for name, body := range map[string][]byte{"garbage": []byte("garbage"), "deep": deepMetric(10_000)} {
		if _, err := fixedMetrics("", MetricOptions{}).IngestMetrics(body); err == nil {
			t.Errorf("%s: taken, want an error", name)
		}
	}
}

// deepMetric nests the value of an attribute of a resource.
func deepMetric(depth int) []byte {
	wrap := func(num protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
	}
	var v []byte
	for range depth {
		v = wrap(5, wrap(1, v))
	}
	return wrap(1, wrap(1, wrap(1, wrap(2, v))))
}

// TestMetricOrder: a late point is refused, a repeated one replaces.
func TestMetricOrder(t *testing.T) {
	m := fixedMetrics("", MetricOptions{})
	ingestMetrics(t, m, metricsOf("orders", sumMetric("a", cumulative, nsAt(2*time.Second), 1)))
	ingestMetrics(t, m, metricsOf("orders", sumMetric("a", cumulative, nsAt(2*time.Second), 5)))
	if res := ingestMetrics(t, m, metricsOf("orders", sumMetric("a", cumulative, nsAt(3*time.Second), 9))); res.Rejected != 1 {
		t.Errorf("late point: %+v, want rejected", res)
	}
	ahead := uint64(metricNow.Add(time.Hour).UnixNano())
	ingestMetrics(t, m, metricsOf("orders", sumMetric("a", cumulative, ahead, 6), sumMetric("b", cumulative, 0, 7)))
	got := allSeries(t, m, MetricQuery{})
	if diff := cmp.Diff([]float64{5, 6}, seriesValues(got[0])); diff != "" || !got[0].Points[1].Time.Equal(metricNow) || !got[1].Points[0].Time.Equal(metricNow) {
		t.Errorf("series %+v %s", got, diff)
	}
}

// TestMetricBounds: beyond the bound series are refused and counted, and points let go.
func TestMetricBounds(t *testing.T) {
	now := metricNow
	m := OpenMetrics("", MetricOptions{Series: 10, Bytes: 2400, Now: func() time.Time { return now }})
	var refused int64
	for i := range 20 {
		refused += ingestMetrics(t, m, metricsOf("orders", sumMetric("a", cumulative, nsAt(time.Second), 1, textAttr("i", fmt.Sprint(i))))).Rejected
	}
	if c := m.Counts(); refused != 10 || c.Refused != 10 || c.Series != 10 {
		t.Errorf("%d refused, counts %+v, want 10 refused and 10 kept", refused, c)
	}
	now = now.Add(20 * time.Minute) // the ten are idle for longer than Full: there is room again
	for i := range 200 {
		at := uint64(metricNow.UnixNano()) + uint64(i)
		if res := ingestMetrics(t, m, metricsOf("users", sumMetric("a", cumulative, at, float64(i)))); res.Rejected != 0 {
			t.Fatalf("point %d: %+v", i, res)
		}
	}
	c := m.Counts()
	if c.Series != 1 || c.Bytes > 2400 || c.Evicted == 0 {
		t.Errorf("counts %+v, want one series within its bytes", c)
	}
	got := seriesValues(allSeries(t, m, MetricQuery{})[0])
	if len(got) == 0 || got[len(got)-1] != 199 {
		t.Errorf("last points %v, want the newest kept", got)
	}
}

// TestMetricThin: points get fewer with age and go in the end.
func TestMetricThin(t *testing.T) {
	now := metricNow
	m := OpenMetrics("", MetricOptions{Now: func() time.Time { return now }})
	for range 360 { // an hour of one point every ten seconds
		now = now.Add(10 * time.Second)
		ingestMetrics(t, m, metricsOf("orders", sumMetric("a", cumulative, uint64(now.UnixNano()), 1)))
		m.thin()
	}
	got := len(allSeries(t, m, MetricQuery{})[0].Points)
	if want := 45 + 90; got < want-2 || got > want+2 {
		t.Errorf("%d points of an hour, want about %d", got, want)
	}
	if c := m.Counts(); c.Bytes != int64(got)*24 {
		t.Errorf("%d bytes counted for %d points", c.Bytes, got)
	}
	now = now.Add(25 * time.Hour)
	m.thin()
	if c := m.Counts(); c.Series != 0 || c.Bytes != 0 {
		t.Errorf("after a day %+v, want nothing", c)
	}
}

func TestMetricQuery(t *testing.T) {
	m := fixedMetrics("", MetricOptions{})
	for i := range 5 {
		at := nsAt(time.Duration(50-10*i) * time.Second)
		ingestMetrics(t, m, metricsOf("orders", sumMetric("http.requests", cumulative, at, float64(i), textAttr("http.route", "/v1"))))
		ingestMetrics(t, m, metricsOf("users", sumMetric("http.requests", cumulative, at, float64(10*i), textAttr("http.route", "/v2"))))
		ingestMetrics(t, m, metricsOf("users", sumMetric("queue.length", cumulative, at, 1)))
	}
	for _, c := range []struct {
		q    MetricQuery
		want string
	}{
		{MetricQuery{}, "orders http.requests 5, users http.requests 5, users queue.length 5"},
		{MetricQuery{Name: "http.requests"}, "orders http.requests 5, users http.requests 5"},
		{MetricQuery{Filter: "service=users name~^http"}, "users http.requests 5"},
		{MetricQuery{Filter: "http.route=/v1"}, "orders http.requests 5"},
		{MetricQuery{Filter: "value>30"}, "users http.requests 5"},
		{MetricQuery{Filter: "queue since=25s"}, "users queue.length 2"},
		{MetricQuery{Filter: "queue", Until: metricNow.Add(-25 * time.Second)}, "users queue.length 3"},
		{MetricQuery{Limit: 1}, "orders http.requests 5"},
		{MetricQuery{Filter: "service=nobody"}, ""},
	} {
		var got []string
		for _, s := range allSeries(t, m, c.q) {
			got = append(got, fmt.Sprintf("%s %s %d", s.Service, s.Name, len(s.Points)))
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%+v: %s, want %s", c.q, s, c.want)
		}
	}
	if _, err := m.Metrics(t.Context(), MetricQuery{Filter: "(a"}); err == nil {
		t.Error("a filter that is not closed was taken")
	}
}

// TestMetricSnapshot: what was known is known after a restart, and totals of deltas go on.
func TestMetricSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "metrics")
		ctx, cancel := context.WithCancel(t.Context())
		m := OpenMetrics(path, MetricOptions{})
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		total := 12.5
		fill := func() {
			at := uint64(time.Now().UnixNano())
			ingestMetrics(t, m, metricsOf("orders", sumMetric("a", deltas, at, 1, textAttr("route", "/v1")),
				&pb.Metric{Name: "h", Data: &pb.Metric_Histogram{Histogram: &pb.Histogram{AggregationTemporality: deltas, DataPoints: []*pb.HistogramDataPoint{
					{TimeUnixNano: at, Count: 3, Sum: &total, ExplicitBounds: []float64{1, 5}, BucketCounts: []uint64{1, 0, 2},
						Exemplars: []*pb.Exemplar{{TimeUnixNano: at, Value: &pb.Exemplar_AsDouble{AsDouble: 3}, FilteredAttributes: []*common.KeyValue{textAttr("user", "u")}}}}}}}}))
		}
		fill()
		time.Sleep(saveEvery + time.Second)
		first, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("no snapshot after %v: %v", saveEvery, err)
		}
		fill()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		want := allSeries(t, m, MetricQuery{})

		again := OpenMetrics(path, MetricOptions{})
		if diff := cmp.Diff(want, allSeries(t, again, MetricQuery{})); diff != "" {
			t.Errorf("after a restart (-want +got)\n%s", diff)
		}
		if m.Counts().Bytes != again.Counts().Bytes {
			t.Errorf("%d bytes, %d after a restart", m.Counts().Bytes, again.Counts().Bytes)
		}
		m = again
		time.Sleep(time.Second)
		fill()
		if got := seriesValues(allSeries(t, m, MetricQuery{Name: "a"})[0]); got[len(got)-1] != 3 {
			t.Errorf("totals %v, want 3 at the end", got)
		}
		for name, b := range map[string][]byte{
			"empty": {}, "foreign": []byte("something else"), "truncated": first[:len(first)-9], "flipped": flipByte(first, len(first)/2), "newer": append([]byte("msctl metrics 2\n"), first[16:]...),
		} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if n := len(allSeries(t, OpenMetrics(path, MetricOptions{}), MetricQuery{})); n != 0 {
				t.Errorf("%s snapshot: %d series, want none", name, n)
			}
		}
	})
}

func flipByte(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// TestMetricMemory: a request of millions of empty messages is not decoded into as many structs (I2).
func TestMetricMemory(t *testing.T) {
	wrap := func(num protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), b)
	}
	points := wrap(1, wrap(2, wrap(2, wrap(5, bytes.Repeat([]byte{1<<3 | 2, 0}, 4<<20)))))
	attrs := wrap(1, wrap(2, wrap(2, wrap(5, wrap(1, bytes.Repeat([]byte{7<<3 | 2, 0}, 4<<20))))))
	for name, body := range map[string][]byte{"points": points, "attributes": attrs} {
		m := fixedMetrics("", MetricOptions{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := m.IngestMetrics(body); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
			t.Errorf("%s: heap grew by %d MiB for %d MiB", name, grown>>20, len(body)>>20)
		}
		if n := m.Counts().Series; n > 1 {
			t.Errorf("%s: %d series, want at most one", name, n)
		}
	}
}

// TestMetricConcurrent: everything at once.
func TestMetricConcurrent(t *testing.T) {
	m := OpenMetrics(filepath.Join(t.TempDir(), "metrics"), MetricOptions{Series: 20, Bytes: 16 << 10})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				name := fmt.Sprint("m", (g*7+i)%30)
				m.IngestMetrics(metricsOf("orders", sumMetric(name, deltas, 0, 1)))
			}
		})
		wg.Go(func() {
			for range 20 {
				m.Metrics(t.Context(), MetricQuery{Filter: "value>0"})
				m.Last(time.Time{})
				m.thin()
				m.Counts()
				if _, err := m.save(0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var size int64
	for _, s := range m.sorted() {
		size += s.size()
	}
	if c := m.Counts(); c.Bytes != size || c.Series > 20 {
		t.Errorf("counts %+v, want %d bytes", c, size)
	}
}

// FuzzMetrics: any request is stored, rejected or refused, the bounds hold, and a restart keeps it.
func FuzzMetrics(f *testing.F) {
	f.Add(metricsOf("orders", sumMetric("a", deltas, nsAt(time.Second), 1, textAttr("k", "v"))))
	f.Add(deepMetric(40))
	f.Add(metricsOf("x", &pb.Metric{Name: "x", Data: &pb.Metric_ExponentialHistogram{ExponentialHistogram: &pb.ExponentialHistogram{AggregationTemporality: deltas, DataPoints: []*pb.ExponentialHistogramDataPoint{
		{Scale: -10, Positive: &pb.ExponentialHistogramDataPoint_Buckets{Offset: 5, BucketCounts: []uint64{1, 2}}, Negative: &pb.ExponentialHistogramDataPoint_Buckets{Offset: -5000, BucketCounts: []uint64{1, 2}}},
		{Scale: 20, Positive: &pb.ExponentialHistogramDataPoint_Buckets{Offset: 1 << 29, BucketCounts: make([]uint64, 300)}}}}}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		m := fixedMetrics("", MetricOptions{Series: 8, Bytes: 4 << 10})
		for range 2 {
			if _, err := m.IngestMetrics(body); err != nil {
				return
			}
		}
		m.thin()
		for _, s := range m.sorted() {
			r := metricReader(s.encode())
			back := r.series()
			if back.id != s.id || back.size() != s.size() {
				t.Errorf("series %q has %d bytes, after a restart %q has %d", s.id, s.size(), back.id, back.size())
			}
			if len(s.points) > 0 && !ascending(s.points[0].point().Bounds) && s.head.Type == "histogram" {
				t.Errorf("bounds %v", s.points[0].dist.bounds)
			}
		}
		if _, err := json.Marshal(m.Last(time.Time{})); err != nil {
			t.Error(err)
		}
	})
}
