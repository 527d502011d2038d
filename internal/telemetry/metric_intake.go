package telemetry

import (
	"fmt"
	"slices"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	pb "go.opentelemetry.io/proto/otlp/metrics/v1"
)

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
