package telemetry

import (
	"bytes"
	"strings"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// FuzzIngestTraces compares what is read from a request with what the generated code of OTLP reads (I1).
func FuzzIngestTraces(f *testing.F) {
	f.Add(EncodeSpans(call(1, noon)))
	spans := newCorpus(3).trace(nil)
	f.Add(EncodeSpans(spans[:min(3, len(spans))]))
	f.Add(encodeOne([]Span{{Trace: TraceID{1}, ID: SpanID{1}, Attrs: []Attr{{"l", []any{"a", int64(1), []Attr{{"k", 1.5}}}}, {"b", []byte{1}}},
		Links: []Link{{Trace: TraceID{2}, Span: SpanID{3}, Attrs: []Attr{{"why", true}}}}, Events: []SpanEvent{{Time: noon, Name: "e"}}}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := Open("store", Options{disk: newMemoryDisk()})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.IngestTraces(body)
		var want coltrace.ExportTraceServiceRequest
		if proto.Unmarshal(body, &want) != nil {
			return // the generated code also refuses what is no UTF-8
		}
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		all := wanted(&want)
		if total(&want) != int(r.Accepted+r.Rejected) || len(all) < int(s.Counts().Spans) && r.Rejected == 0 {
			t.Fatalf("%+v, want %d spans", r, total(&want))
		}
		for k, w := range all {
			compareWire(t, s, k, w, r.Rejected > 0)
		}
	})
}

type wireKey struct {
	trace TraceID
	span  SpanID
}

type wireSpan struct {
	*trace.Span
	service string
}

func total(r *coltrace.ExportTraceServiceRequest) (n int) {
	for _, rs := range r.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			n += len(ss.Spans)
		}
	}
	return n
}

// wanted returns the spans that may be stored; of those with one id the last.
func wanted(r *coltrace.ExportTraceServiceRequest) map[wireKey]wireSpan {
	out := map[wireKey]wireSpan{}
	for _, rs := range r.ResourceSpans {
		service := ""
		for _, kv := range rs.GetResource().GetAttributes() {
			if kv.Key == "service.name" {
				service = Format(valueFrom(kv.Value))
				break
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, sp := range ss.Spans {
				if len(sp.TraceId) != 16 || len(sp.SpanId) != 8 || bytes.Count(sp.TraceId, []byte{0}) == 16 || bytes.Count(sp.SpanId, []byte{0}) == 8 {
					continue
				}
				out[wireKey{TraceID(sp.TraceId), SpanID(sp.SpanId)}] = wireSpan{sp, service}
			}
		}
	}
	return out
}

func compareWire(t *testing.T, s *Store, k wireKey, w wireSpan, mayMiss bool) {
	t.Helper()
	spans, err := s.Spans(t.Context(), k.trace)
	var got *Span
	for i := range spans {
		if spans[i].ID == k.span {
			got = &spans[i]
		}
	}
	if got == nil {
		if !mayMiss {
			t.Fatalf("span %v is not there: %v", k, err)
		}
		return
	}
	start, dur := clampTime(w.StartTimeUnixNano, w.EndTimeUnixNano)
	if mayMiss {
		return // the last of this id may be the one that was rejected
	}
	if got.Name != w.Name || got.Start != moment(start) || got.Duration != time.Duration(dur) || got.Service != w.service ||
		got.Status != Status(max(0, min(w.GetStatus().GetCode(), 3))%3) || got.Message != w.GetStatus().GetMessage() || got.Parent != SpanID(append(w.ParentSpanId, make([]byte, 8)...)[:8]) ||
		len(got.Events) != len(w.Events) || len(got.Links) != len(w.Links) {
		t.Fatalf("got %+v\nwant %v", got, w.Span)
	}
	seen := map[string]bool{}
	for _, kv := range w.Attributes {
		if seen[kv.Key] || kv.Key == edgeKey {
			continue
		}
		seen[kv.Key] = true
		v, ok := valueOf(got.Attrs, kv.Key)
		if want := valueFrom(kv.Value); !ok || Format(v) != Format(want) {
			t.Fatalf("attribute %q: got %v, want %v", kv.Key, v, want)
		}
	}
}

func valueFrom(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_BytesValue:
		return v.BytesValue
	case *common.AnyValue_ArrayValue:
		out := []any{}
		for _, e := range v.ArrayValue.GetValues() {
			out = append(out, valueFrom(e))
		}
		return out
	case *common.AnyValue_KvlistValue:
		out := []Attr{}
		for _, kv := range v.KvlistValue.GetValues() {
			out = append(out, Attr{kv.Key, valueFrom(kv.Value)})
		}
		return out
	}
	return ""
}

// FuzzIngestLogs counts the records of a request as the generated code does.
func FuzzIngestLogs(f *testing.F) {
	f.Add(EncodeLogs([]Log{{Time: noon, Service: "a", Body: "x", Severity: Warn, Trace: TraceID{1}, Span: SpanID{2}, Attrs: []Attr{{"k", int64(1)}}, Printed: true}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := Open("store", Options{disk: newMemoryDisk()})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.IngestLogs(body)
		var want collogs.ExportLogsServiceRequest
		if proto.Unmarshal(body, &want) != nil {
			return
		}
		n := 0
		for _, rl := range want.ResourceLogs {
			for _, sl := range rl.ScopeLogs {
				n += len(sl.LogRecords)
			}
		}
		if err != nil || int(r.Accepted+r.Rejected) != n {
			t.Fatalf("%+v, %v, want %d records", r, err, n)
		}
		page, err := s.Logs(t.Context(), Query{Limit: maxLimit})
		if err != nil || len(page.Logs) != int(min(r.Accepted, maxLimit)) {
			t.Fatalf("%d records, %v, want %d", len(page.Logs), err, r.Accepted)
		}
	})
}

// FuzzSegment opens a store of which a file was made by the fuzzer: it never panics (I6).
func FuzzSegment(f *testing.F) {
	d := newMemoryDisk()
	s, err := Open("store", Options{disk: d, Rows: 15})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.AddSpans(call(1, noon)); err != nil {
		f.Fatal(err)
	}
	s.flush()
	for path, file := range d.files {
		f.Add(bytes.Clone(file.b), strings.HasSuffix(path, ".wal"))
	}
	s.spans.retire()
	if _, err := s.seal(&s.spans); err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(d.files["store/spans-00000001.seg"].b), false)
	f.Fuzz(func(t *testing.T, b []byte, journal bool) {
		d := newMemoryDisk()
		path := "store/spans-00000001.seg"
		if journal {
			path = "store/spans-00000001.wal"
		}
		d.files[path] = &memoryFile{d, b}
		s := reopen(t, d)
		if _, err := s.Search(t.Context(), Query{Filter: "x OR -name=y"}); err != nil {
			t.Fatal(err)
		}
		_, _ = s.Spans(t.Context(), TraceID{0xaa, 15: 1})
	})
}
