package telemetry

import "time"

// edgeKey is the attribute by which a span says that an edge of msctl recorded it.
const edgeKey = "msctl.edge"

// EncodeSpans writes spans as an ExportTraceServiceRequest in protobuf.
func EncodeSpans(spans []Span) []byte {
	out := make([]byte, 0, 256*len(spans)+512)
	group, scoped, span := 0, 0, 0
	for from := 0; from < len(spans); {
		first := &spans[from]
		out, group = begin(out, 1)
		out = putBytes(out, 1, encodeResource(first.Service, first.Instance, first.Resource))
		out, scoped = begin(out, 2)
		if first.Scope != "" {
			out = putBytes(out, 1, putBytes(nil, 1, first.Scope))
		}
		for ; from < len(spans) && (first == &spans[from] || sameOrigin(first, &spans[from])); from++ {
			out, span = begin(out, 2)
			out = end(putSpan(out, &spans[from]), span)
		}
		out = end(end(out, scoped), group)
	}
	return out
}

func sameOrigin(a, b *Span) bool {
	return a.Service == b.Service && a.Instance == b.Instance && a.Scope == b.Scope && len(a.Resource) == 0 && len(b.Resource) == 0
}

// encodeResource writes a Resource, in which the names of the service and the instance stand once.
func encodeResource(service, instance string, attrs []Attr) []byte {
	var out []byte
	if service != "" {
		out = putPairs(out, 1, []Attr{{"service.name", service}})
	}
	if instance != "" {
		out = putPairs(out, 1, []Attr{{"service.instance.id", instance}})
	}
	for _, a := range attrs {
		if a.Key == "service.name" && service != "" || a.Key == "service.instance.id" && instance != "" {
			continue
		}
		out = putPairs(out, 1, []Attr{a})
	}
	return out
}

// putSpan appends the fields of a span.
func putSpan(out []byte, s *Span) []byte {
	out = putBytes(out, 1, s.Trace[:])
	out = putBytes(out, 2, s.ID[:])
	if s.Parent != (SpanID{}) {
		out = putBytes(out, 4, s.Parent[:])
	}
	out = putBytes(out, 5, s.Name)
	out = putVarint(out, 6, uint64(s.Kind))
	start := nanos(s.Start)
	out = put64(out, 7, uint64(start))
	out = put64(out, 8, uint64(start+max(0, min(int64(s.Duration), (1<<63-1)-max(start, 0)))))
	if s.Edge != "" {
		out = putPairs(out, 9, []Attr{{edgeKey, s.Edge}})
	}
	out = putPairs(out, 9, s.Attrs)
	for _, e := range s.Events {
		in := putBytes(put64(nil, 1, uint64(nanos(e.Time))), 2, e.Name)
		out = putBytes(out, 11, putPairs(in, 3, e.Attrs))
	}
	for _, l := range s.Links {
		in := putBytes(putBytes(nil, 1, l.Trace[:]), 2, l.Span[:])
		out = putBytes(out, 13, putPairs(in, 4, l.Attrs))
	}
	if s.Status != Unset || s.Message != "" {
		out = putBytes(out, 15, putVarint(putBytes(nil, 2, s.Message), 3, uint64(s.Status)))
	}
	return out
}

// EncodeLogs writes log records as an ExportLogsServiceRequest in protobuf.
func EncodeLogs(logs []Log) []byte {
	var out []byte
	for from := 0; from < len(logs); {
		first := &logs[from]
		to := from
		var records []byte
		for ; to < len(logs) && logs[to].Service == first.Service && logs[to].Instance == first.Instance; to++ {
			records = putBytes(records, 2, encodeLog(&logs[to]))
		}
		group := putBytes(nil, 1, encodeResource(first.Service, first.Instance, nil))
		out = putBytes(out, 1, putBytes(group, 2, records))
		from = to
	}
	return out
}

func encodeLog(l *Log) []byte {
	out := put64(nil, 1, uint64(nanos(l.Time)))
	out = putVarint(out, 2, uint64(l.Severity))
	out = putBytes(out, 5, putBytes(nil, 1, l.Body))
	if l.Trace != (TraceID{}) {
		out = putBytes(out, 9, l.Trace[:])
	}
	if l.Span != (SpanID{}) {
		out = putBytes(out, 10, l.Span[:])
	}
	if l.Printed {
		out = putPairs(out, 6, []Attr{{printedKey, true}})
	}
	return putPairs(out, 6, l.Attrs)
}

// Bounds of the times that are kept, in seconds since 1970: about 1897 and 2262.
const (
	oldest = -(1 << 61) / 1_000_000_000
	newest = (1<<63 - 1) / 1_000_000_000
)

// nanos is a time in ns since 1970, brought into the bounds.
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case t.IsZero():
		return 0
	case s <= oldest:
		return oldest * 1_000_000_000
	case s >= newest:
		return 1<<63 - 1
	}
	return t.UnixNano()
}

func moment(ns int64) time.Time { return time.Unix(0, ns).UTC() }
