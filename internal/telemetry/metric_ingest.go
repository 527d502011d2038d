package telemetry

import (
	"fmt"
	"slices"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	pb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// maxBuckets is how many buckets or quantiles one point may have.
const maxBuckets = 512

// IngestMetrics stores an ExportMetricsServiceRequest in protobuf. A request that cannot be read is an
// error; single points that are not valid, out of order or of one series too many are rejected.
func (m *MetricStore) IngestMetrics(body []byte) (Result, error) {
	var req collector.ExportMetricsServiceRequest
	if err := (proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 3 * maxDepth}).Unmarshal(body, &req); err != nil {
		return Result{}, fmt.Errorf("read metrics: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	in := intake{m: m, now: m.o.Now()}
	for _, rm := range req.ResourceMetrics {
		in.resource(rm)
	}
	m.counts.Accepted += in.res.Accepted
	m.counts.Rejected += in.res.Rejected
	m.version++
	if m.counts.Bytes > m.o.Bytes {
		m.shrink()
	}
	return in.res, nil
}

// intake stores one request. The lock of its store is held.
type intake struct {
	m        *MetricStore
	now      time.Time
	res      Result
	head     Series // of the metric that is read
	instance string
	delta    bool
}

func (in *intake) reject(why string) {
	in.res.Rejected++
	if in.res.Err == "" {
		in.res.Err = fmt.Sprintf("metric %q of %q: %s", in.head.Name, in.head.Service, why)
	}
}

func (in *intake) resource(rm *pb.ResourceMetrics) {
	in.head, in.instance = Series{Service: "unknown"}, ""
	for _, a := range rm.GetResource().GetAttributes() {
		switch a.Key {
		case "service.name":
			in.head.Service = clip(a.Value.GetStringValue())
		case "service.instance.id":
			in.instance = clip(a.Value.GetStringValue())
		}
	}
	for _, sm := range rm.ScopeMetrics {
		in.head.Scope = clip(sm.GetScope().GetName())
		for _, metric := range sm.Metrics {
			in.metric(metric)
		}
	}
}

// clip bounds a name and makes it valid text.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 1<<10)], "\uFFFD") }

func (in *intake) metric(metric *pb.Metric) {
	h := &in.head
	h.Name, h.Unit, h.Doc, h.Monoton, in.delta = clip(metric.Name), clip(metric.Unit), clip(metric.Description), false, false
	switch d := metric.Data.(type) {
	case *pb.Metric_Gauge:
		h.Type = "gauge"
		in.numbers(d.Gauge.GetDataPoints())
	case *pb.Metric_Sum:
		h.Type, h.Monoton = "sum", d.Sum.GetIsMonotonic()
		in.delta = d.Sum.GetAggregationTemporality() == pb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
		in.numbers(d.Sum.GetDataPoints())
	case *pb.Metric_Histogram:
		h.Type = "histogram"
		in.delta = d.Histogram.GetAggregationTemporality() == pb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
		in.histograms(d.Histogram.GetDataPoints())
	case *pb.Metric_ExponentialHistogram:
		h.Type = "histogram"
		in.delta = d.ExponentialHistogram.GetAggregationTemporality() == pb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
		in.expos(d.ExponentialHistogram.GetDataPoints())
	case *pb.Metric_Summary:
		h.Type = "summary"
		in.summaries(d.Summary.GetDataPoints())
	}
}

// empty says that a point only tells that there is no value.
func empty(flags uint32) bool {
	return flags&uint32(pb.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK) != 0
}

func (in *intake) numbers(points []*pb.NumberDataPoint) {
	for _, p := range points {
		if empty(p.Flags) {
			continue
		}
		value := p.GetAsDouble()
		if i, ok := p.Value.(*pb.NumberDataPoint_AsInt); ok {
			value = float64(i.AsInt)
		}
		in.store(p.Attributes, sample{at: in.at(p.TimeUnixNano), value: value}, p.Exemplars, nil)
	}
}

func (in *intake) histograms(points []*pb.HistogramDataPoint) {
	for _, p := range points {
		if empty(p.Flags) {
			continue
		}
		b, c := p.ExplicitBounds, p.BucketCounts
		if len(b) > maxBuckets || len(c) != 0 && len(c) != len(b)+1 || len(c) == 0 && len(b) > 0 || !ascending(b) {
			in.reject("buckets are not valid, or too many")
			continue
		}
		d := &dist{count: p.Count, bounds: slices.Clone(b), counts: slices.Clone(c)}
		in.store(p.Attributes, sample{at: in.at(p.TimeUnixNano), value: p.GetSum(), dist: d}, p.Exemplars, nil)
	}
}

func ascending(bounds []float64) bool {
	for i := 1; i < len(bounds); i++ {
		if !(bounds[i-1] < bounds[i]) {
			return false
		}
	}
	return true
}

func (in *intake) expos(points []*pb.ExponentialHistogramDataPoint) {
	for _, p := range points {
		if empty(p.Flags) {
			continue
		}
		e, ok := readExpo(p)
		if !ok {
			in.reject("buckets are not valid, or too many")
			continue
		}
		s := sample{at: in.at(p.TimeUnixNano), value: p.GetSum(), dist: &dist{count: p.Count}}
		in.store(p.Attributes, s, p.Exemplars, &e)
	}
}

func (in *intake) summaries(points []*pb.SummaryDataPoint) {
	for _, p := range points {
		if empty(p.Flags) {
			continue
		}
		if len(p.QuantileValues) > maxBuckets {
			in.reject("too many quantiles")
			continue
		}
		d := &dist{count: p.Count}
		for _, q := range p.QuantileValues {
			if infinite(q.Value) { // what SDKs send for a window without values
				continue
			}
			d.bounds, d.values = append(d.bounds, q.Quantile), append(d.values, q.Value)
		}
		in.store(p.Attributes, sample{at: in.at(p.TimeUnixNano), value: p.Sum, dist: d}, nil, nil)
	}
}

// at is when a point was measured: now where its sender does not know, or has a clock that is ahead.
func (in *intake) at(ns uint64) int64 {
	now := in.now.UnixNano()
	if ns == 0 || ns > uint64(now) {
		return now
	}
	return int64(ns)
}

// store adds a sample to its series.
func (in *intake) store(attrs []*common.KeyValue, p sample, exemplars []*pb.Exemplar, e *expo) {
	if !p.finite() {
		in.reject("value is not finite")
		return
	}
	if p.at < in.now.Add(-in.m.o.Keep).UnixNano() {
		in.reject("point is too old")
		return
	}
	s := in.find(attrs)
	if s == nil {
		return
	}
	delta := in.delta
	if e != nil {
		s.addExpo(&p, e, delta)
		delta = false
	}
	grown, ok := s.add(p, delta)
	if !ok {
		in.reject("point is older than the last of its series")
		return
	}
	in.m.series[s.id] = s
	in.m.counts.Bytes += grown
	in.res.Accepted++
	s.keep(exemplars)
}

// find returns the series of the current metric with these attributes, a new one where there is none yet,
// or nil after it rejected the point.
func (in *intake) find(attrs []*common.KeyValue) *series {
	head := in.head
	head.Attrs = readAttrs(attrs)
	if _, has := valueOf(head.Attrs, "service.instance.id"); !has && in.instance != "" {
		head.Attrs = append(head.Attrs, Attr{"service.instance.id", in.instance})
	}
	slices.SortFunc(head.Attrs, func(a, b Attr) int { return strings.Compare(a.Key, b.Key) })
	id := identity(head)
	if len(id) > maxIdentity {
		in.reject("attributes are too long")
		return nil
	}
	if s, ok := in.m.series[id]; ok {
		return s
	}
	if len(in.m.series) >= in.m.o.Series {
		in.m.sweep(in.now)
	}
	if len(in.m.series) >= in.m.o.Series {
		in.m.counts.Refused++
		in.reject(fmt.Sprintf("there are %d series already", in.m.o.Series))
		return nil
	}
	return &series{id: id, head: head}
}

func identity(h Series) string {
	b := []byte(h.Service + "\x00" + h.Name + "\x00" + h.Unit + "\x00" + h.Type + "\x00" + h.Scope + "\x00")
	return string(putPairs(b, 1, h.Attrs))
}

// keep remembers the latest exemplars.
func (s *series) keep(exemplars []*pb.Exemplar) {
	for _, e := range exemplars[max(0, len(exemplars)-maxExemplars):] {
		x := Exemplar{Time: moment(int64(e.TimeUnixNano)), Value: e.GetAsDouble(), Attrs: readAttrs(e.FilteredAttributes)}
		if i, ok := e.Value.(*pb.Exemplar_AsInt); ok {
			x.Value = float64(i.AsInt)
		}
		if infinite(x.Value) || len(putPairs(nil, 1, x.Attrs)) > maxIdentity/4 {
			continue
		}
		copy(x.Trace[:], e.TraceId)
		copy(x.Span[:], e.SpanId)
		s.exemplars = append(s.exemplars, x)
	}
	if n := len(s.exemplars) - maxExemplars; n > 0 {
		s.exemplars = slices.Delete(s.exemplars, 0, n)
	}
}

func readAttrs(in []*common.KeyValue) []Attr {
	out := make([]Attr, 0, len(in)+1)
	for _, kv := range in {
		out = append(out, Attr{strings.ToValidUTF8(kv.GetKey(), "\uFFFD"), readValue(kv.GetValue())})
	}
	return out
}

func readValue(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return strings.ToValidUTF8(v.StringValue, "\uFFFD")
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_BytesValue:
		return slices.Clone(v.BytesValue)
	case *common.AnyValue_ArrayValue:
		list := []any{}
		for _, e := range v.ArrayValue.GetValues() {
			list = append(list, readValue(e))
		}
		return list
	case *common.AnyValue_KvlistValue:
		return readAttrs(v.KvlistValue.GetValues())
	}
	return ""
}
