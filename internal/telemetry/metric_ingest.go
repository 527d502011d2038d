package telemetry

import (
	"fmt"
	"strings"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	pb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

// maxBuckets is how many buckets or quantiles one point may have.
const maxBuckets = 512

// maxMessage is the most bytes that one point, or one resource, may have. Decoded it takes a multiple of
// that; so all that is decoded at once stays small, whatever a request holds.
const maxMessage = 64 << 10

// maxRequestPoints is how many points of one request are read.
const maxRequestPoints = 200_000

// IngestMetrics stores an ExportMetricsServiceRequest in protobuf. A request that cannot be read is an
// error, after which points that stand before the mistake are kept; single points that are not valid, out
// of order or of one series too many are rejected.
func (m *MetricStore) IngestMetrics(body []byte) (Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	in := intake{m: m, now: m.o.Now()}
	err := each(body, 1, in.resource)
	m.counts.Accepted += in.res.Accepted
	m.counts.Rejected += in.res.Rejected
	m.version++
	if m.counts.Bytes > m.o.Bytes {
		m.shrink()
	}
	if err != nil {
		return Result{}, fmt.Errorf("read metrics: %w", err)
	}
	return in.res, nil
}

// unmarshal reads one message of bounded size.
func unmarshal(b []byte, into proto.Message) error {
	if len(b) > maxMessage {
		return fmt.Errorf("%s has %d bytes, at most %d are read", into.ProtoReflect().Descriptor().Name(), len(b), maxMessage)
	}
	return proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 3 * maxDepth}.Unmarshal(b, into)
}

// intake stores one request. The lock of its store is held.
type intake struct {
	m        *MetricStore
	now      time.Time
	res      Result
	points   int    // read so far
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

func (in *intake) resource(b []byte) error {
	in.head, in.instance = Series{Service: "unknown"}, ""
	if err := each(b, 1, in.origin); err != nil {
		return err
	}
	return each(b, 2, in.scope)
}

func (in *intake) origin(b []byte) error {
	var r resource.Resource
	if err := unmarshal(b, &r); err != nil {
		return err
	}
	for _, a := range r.Attributes {
		switch a.Key {
		case "service.name":
			in.head.Service = clip(a.Value.GetStringValue())
		case "service.instance.id":
			in.instance = clip(a.Value.GetStringValue())
		}
	}
	return nil
}

func (in *intake) scope(b []byte) error {
	in.head.Scope = ""
	err := each(b, 1, func(p []byte) error {
		var s common.InstrumentationScope
		err := unmarshal(p, &s)
		in.head.Scope = clip(s.Name)
		return err
	})
	if err != nil {
		return err
	}
	return each(b, 2, in.metric)
}

// clip bounds a name and makes it valid text.
func clip[T string | []byte](s T) string {
	return strings.ToValidUTF8(string(s[:min(len(s), 1<<10)]), "\uFFFD")
}

// metric reads one Metric: first its names, then its points.
func (in *intake) metric(b []byte) (err error) {
	h := &in.head
	h.Name, h.Unit, h.Doc = "", "", ""
	var f field
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return err
		}
		switch {
		case f.isBytes(1):
			h.Name = clip(f.p)
		case f.isBytes(2):
			h.Doc = clip(f.p)
		case f.isBytes(3):
			h.Unit = clip(f.p)
		}
	}
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return err
		}
		if f.wire == wireBytes {
			if err := in.data(f.num, f.p); err != nil {
				return err
			}
		}
	}
	return nil
}

// data reads the points of a Gauge, Sum, Histogram, ExponentialHistogram or Summary. They have the same
// numbers: points are 1, temporality is 2, and monotonic 3.
func (in *intake) data(num uint64, b []byte) (err error) {
	var point func([]byte) error
	switch num {
	case 5:
		in.head.Type, point = "gauge", in.number
	case 7:
		in.head.Type, point = "sum", in.number
	case 9:
		in.head.Type, point = "histogram", in.histogram
	case 10:
		in.head.Type, point = "histogram", in.exponential
	case 11:
		in.head.Type, point = "summary", in.summary
	default:
		return nil
	}
	in.delta, in.head.Monoton = false, false
	var f field
	for rest := b; len(rest) > 0; {
		if rest, err = f.next(rest); err != nil {
			return err
		}
		switch {
		case f.num == 2 && f.wire == wireVarint:
			in.delta = f.v == uint64(pb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA)
		case f.num == 3 && f.wire == wireVarint:
			in.head.Monoton = f.v != 0
		}
	}
	return each(b, 1, func(p []byte) error {
		in.points++
		switch {
		case len(p) > maxMessage:
			in.reject("point is too long")
		case in.points > maxRequestPoints:
			in.reject(fmt.Sprintf("request has more than %d points", maxRequestPoints))
		default:
			return point(p)
		}
		return nil
	})
}

// unknown says that a point only tells that there is no value.
func unknown(flags uint32) bool {
	return flags&uint32(pb.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK) != 0
}

func (in *intake) number(b []byte) error {
	var p pb.NumberDataPoint
	if err := unmarshal(b, &p); err != nil || unknown(p.Flags) {
		return err
	}
	value := p.GetAsDouble()
	if i, ok := p.Value.(*pb.NumberDataPoint_AsInt); ok {
		value = float64(i.AsInt)
	}
	in.store(p.Attributes, sample{at: in.at(p.TimeUnixNano), value: value}, p.Exemplars, nil)
	return nil
}

func (in *intake) histogram(b []byte) error {
	var p pb.HistogramDataPoint
	if err := unmarshal(b, &p); err != nil || unknown(p.Flags) {
		return err
	}
	edges, n := p.ExplicitBounds, len(p.BucketCounts)
	if len(edges) > maxBuckets || n != 0 && n != len(edges)+1 || n == 0 && len(edges) > 0 || !ascending(edges) {
		in.reject("buckets are not valid, or too many")
		return nil
	}
	d := &dist{count: p.Count, bounds: edges, counts: p.BucketCounts}
	in.store(p.Attributes, sample{at: in.at(p.TimeUnixNano), value: p.GetSum(), dist: d}, p.Exemplars, nil)
	return nil
}

func ascending(bounds []float64) bool {
	for i := 1; i < len(bounds); i++ {
		if !(bounds[i-1] < bounds[i]) {
			return false
		}
	}
	return true
}

func (in *intake) exponential(b []byte) error {
	var p pb.ExponentialHistogramDataPoint
	if err := unmarshal(b, &p); err != nil || unknown(p.Flags) {
		return err
	}
	e, ok := readExpo(&p)
	if !ok {
		in.reject("buckets are not valid, or too many")
		return nil
	}
	in.store(p.Attributes, sample{at: in.at(p.TimeUnixNano), value: p.GetSum(), dist: &dist{count: p.Count}}, p.Exemplars, &e)
	return nil
}

func (in *intake) summary(b []byte) error {
	var p pb.SummaryDataPoint
	if err := unmarshal(b, &p); err != nil || unknown(p.Flags) {
		return err
	}
	if len(p.QuantileValues) > maxBuckets {
		in.reject("too many quantiles")
		return nil
	}
	d := &dist{count: p.Count}
	for _, q := range p.QuantileValues {
		if infinite(q.Value) { // what SDKs send for a window without values
			continue
		}
		d.bounds, d.values = append(d.bounds, q.Quantile), append(d.values, q.Value)
	}
	in.store(p.Attributes, sample{at: in.at(p.TimeUnixNano), value: p.Sum, dist: d}, nil, nil)
	return nil
}

// at is when a point was measured: now where its sender does not know, or has a clock that is ahead.
func (in *intake) at(ns uint64) int64 {
	now := in.now.UnixNano()
	if ns == 0 || ns > uint64(now) {
		return now
	}
	return int64(ns)
}
