package jaeger

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"msctl.dev/msctl/internal/telemetry"
)

// trace and what follows are Jaeger's own JSON, with its names. Times are µs since 1970, durations µs.
type trace struct {
	TraceID   string             `json:"traceID"`
	Spans     []span             `json:"spans"`
	Processes map[string]process `json:"processes"`
	Warnings  []string           `json:"warnings"`
}

type span struct {
	TraceID       string      `json:"traceID"`
	SpanID        string      `json:"spanID"`
	Flags         int         `json:"flags"`
	OperationName string      `json:"operationName"`
	References    []reference `json:"references"`
	StartTime     int64       `json:"startTime"`
	Duration      int64       `json:"duration"`
	Tags          []keyValue  `json:"tags"`
	Logs          []log       `json:"logs"`
	ProcessID     string      `json:"processID"`
	Warnings      []string    `json:"warnings"`
}

type reference struct {
	RefType string `json:"refType"` // CHILD_OF or FOLLOWS_FROM
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

type process struct {
	ServiceName string     `json:"serviceName"`
	Tags        []keyValue `json:"tags"`
}

type log struct {
	Timestamp int64      `json:"timestamp"`
	Fields    []keyValue `json:"fields"`
}

type keyValue struct {
	Key   string `json:"key"`
	Type  string `json:"type"` // string, bool, int64, float64 or binary
	Value any    `json:"value"`
}

// convert writes spans as one trace. Spans of one resource share a process: p1, p2, …
func convert(id telemetry.TraceID, spans []telemetry.Span) trace {
	t := trace{TraceID: id.String(), Spans: make([]span, 0, len(spans)), Processes: map[string]process{}}
	ids := map[string]string{}
	for i := range spans {
		sp := &spans[i]
		p := process{ServiceName: sp.Service, Tags: processTags(sp)}
		same, _ := json.Marshal(p)
		pid, known := ids[string(same)]
		if !known {
			pid = "p" + strconv.Itoa(len(ids)+1)
			ids[string(same)] = pid
			t.Processes[pid] = p
		}
		t.Spans = append(t.Spans, convertSpan(sp, pid))
	}
	return t
}

func processTags(sp *telemetry.Span) []keyValue {
	tags := []keyValue{}
	instance := false
	for _, a := range sp.Resource {
		if a.Key == "service.name" {
			continue
		}
		instance = instance || a.Key == "service.instance.id"
		tags = append(tags, typed(a))
	}
	if sp.Instance != "" && !instance {
		tags = append(tags, keyValue{"service.instance.id", "string", sp.Instance})
	}
	return tags
}

func convertSpan(sp *telemetry.Span, pid string) span {
	out := span{
		TraceID: sp.Trace.String(), SpanID: sp.ID.String(), Flags: 1, OperationName: sp.Name, ProcessID: pid,
		StartTime: sp.Start.UnixMicro(), Duration: sp.Duration.Microseconds(),
		References: references(sp), Tags: spanTags(sp), Logs: []log{},
	}
	for _, e := range sp.Events {
		out.Logs = append(out.Logs, convertEvent(e))
	}
	return out
}

func references(sp *telemetry.Span) []reference {
	refs := []reference{}
	if sp.Parent != (telemetry.SpanID{}) {
		refs = append(refs, reference{"CHILD_OF", sp.Trace.String(), sp.Parent.String()})
	}
	for _, l := range sp.Links {
		refs = append(refs, reference{"FOLLOWS_FROM", l.Trace.String(), l.Span.String()})
	}
	return refs
}

// spanTags writes the attributes, and as tags what Jaeger has no fields for.
func spanTags(sp *telemetry.Span) []keyValue {
	tags := []keyValue{}
	if sp.Scope != "" {
		tags = append(tags, keyValue{"otel.scope.name", "string", sp.Scope})
	}
	for _, a := range sp.Attrs {
		tags = append(tags, typed(a))
	}
	if sp.Edge != "" {
		tags = append(tags, keyValue{"msctl.edge", "string", sp.Edge})
	}
	if kind := kindName(sp.Kind); kind != "" {
		tags = append(tags, keyValue{"span.kind", "string", kind})
	}
	switch sp.Status {
	case telemetry.OK:
		tags = append(tags, keyValue{"otel.status_code", "string", "OK"})
	case telemetry.Failed:
		tags = append(tags, keyValue{"otel.status_code", "string", "ERROR"}, keyValue{"error", "bool", true})
	}
	if sp.Message != "" {
		tags = append(tags, keyValue{"otel.status_description", "string", sp.Message})
	}
	return tags
}

func kindName(k telemetry.Kind) string {
	switch k {
	case telemetry.Internal:
		return "internal"
	case telemetry.Server:
		return "server"
	case telemetry.Client:
		return "client"
	case telemetry.Producer:
		return "producer"
	case telemetry.Consumer:
		return "consumer"
	}
	return ""
}

func convertEvent(e telemetry.SpanEvent) log {
	fields := []keyValue{}
	if e.Name != "" {
		fields = append(fields, keyValue{"event", "string", e.Name})
	}
	for _, a := range e.Attrs {
		fields = append(fields, typed(a))
	}
	return log{Timestamp: e.Time.UnixMicro(), Fields: fields}
}

// maxExact is the largest whole number that JavaScript has.
const maxExact = 1<<53 - 1

// typed writes an attribute with its type. Numbers that JavaScript would round are text.
func typed(a telemetry.Attr) keyValue {
	switch v := a.Value.(type) {
	case string:
		return keyValue{a.Key, "string", v}
	case bool:
		return keyValue{a.Key, "bool", v}
	case int64:
		if v > maxExact || v < -maxExact {
			return keyValue{a.Key, "int64", strconv.FormatInt(v, 10)}
		}
		return keyValue{a.Key, "int64", v}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return keyValue{a.Key, "float64", strconv.FormatFloat(v, 'g', -1, 64)}
		}
		return keyValue{a.Key, "float64", v}
	case []byte:
		return keyValue{a.Key, "binary", base64.StdEncoding.EncodeToString(v)}
	}
	return keyValue{a.Key, "string", listText(a.Value)}
}

// listText writes a list or a map as JSON.
func listText(v any) string {
	b, err := json.Marshal(plain(v))
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func plain(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plain(e)
		}
		return list
	case []telemetry.Attr:
		m := map[string]any{}
		for _, a := range v {
			m[a.Key] = plain(a.Value)
		}
		return m
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return v
}
