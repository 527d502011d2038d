// Package printed reads log records from what services print: JSON, logfmt, the consoles of zap and klog,
// and plain text.
package printed

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// Keys under which the common libraries put what every record has. Letters count in either case.
var (
	timeKeys    = []string{"time", "timestamp", "ts", "@timestamp", "t", "eventtime"}
	levelKeys   = []string{"level", "severity", "lvl", "log.level", "levelname", "severitytext", "severity_text", "loglevel"}
	messageKeys = []string{"msg", "message", "body", "@m", "event", "@message"}
	traceKeys   = []string{"trace_id", "traceid", "trace", "trace.id", "otel.trace_id", "logging.googleapis.com/trace", "mdc.trace_id"}
	spanKeys    = []string{"span_id", "spanid", "span", "span.id", "otel.span_id", "logging.googleapis.com/spanid", "mdc.span_id"}
)

// Parse reads one line that was printed at that time. Its body is never empty unless the line is.
func Parse(at time.Time, line []byte) telemetry.Log {
	l := telemetry.Log{Time: at, Printed: true}
	line = bytes.TrimSpace(line)
	for _, read := range []func(*telemetry.Log, []byte) bool{readJSON, readKlog, readLogfmt, readZap} {
		if read(&l, line) {
			return l
		}
	}
	l.Body = string(line)
	l.Severity = leading(l.Body)
	return l
}

func readJSON(l *telemetry.Log, line []byte) bool {
	if len(line) < 2 || line[0] != '{' || line[len(line)-1] != '}' {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var fields map[string]any
	if d.Decode(&fields) != nil {
		return false
	}
	r := record{fields}
	r.common(l)
	if l.Body == "" {
		l.Body = string(line)
	}
	l.Attrs = r.rest("")
	return true
}

// record is the fields of a structured line. What is taken is not among the rest.
type record struct{ fields map[string]any }

// common takes what every record has.
func (r record) common(l *telemetry.Log) {
	if t, ok := moment(r.take(timeKeys)); ok {
		l.Time = t
	}
	l.Severity = level(words(r.take(levelKeys)))
	l.Body = words(r.take(messageKeys))
	r.ids(l)
}

func (r record) key(names []string) (string, bool) {
	for _, name := range names {
		if _, ok := r.fields[name]; ok {
			return name, true
		}
	}
	for have := range r.fields {
		if slices.Contains(names, strings.ToLower(have)) {
			return have, true
		}
	}
	return "", false
}

// take removes the first of the names that is there and returns its value.
func (r record) take(names []string) any {
	key, ok := r.key(names)
	if !ok {
		return nil
	}
	v := r.fields[key]
	delete(r.fields, key)
	return v
}

// rest returns the other fields by name; those of nested objects under "outer.inner".
func (r record) rest(prefix string) []telemetry.Attr {
	var out []telemetry.Attr
	for _, key := range slices.Sorted(maps.Keys(r.fields)) {
		switch v := r.fields[key].(type) {
		case map[string]any:
			if strings.Count(prefix, ".") < 4 {
				out = append(out, record{v}.rest(prefix+key+".")...)
				continue
			}
			b, _ := json.Marshal(v) // it was JSON
			out = append(out, telemetry.Attr{Key: prefix + key, Value: string(b)})
		case []any:
			b, _ := json.Marshal(v)
			out = append(out, telemetry.Attr{Key: prefix + key, Value: string(b)})
		case json.Number:
			out = append(out, telemetry.Attr{Key: prefix + key, Value: number(v)})
		case nil:
		default:
			out = append(out, telemetry.Attr{Key: prefix + key, Value: v})
		}
	}
	return out
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	f, _ := n.Float64()
	return f
}

// words returns a value as text.
func words(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// moment reads a time: RFC 3339 and its relatives, or a number since 1970 in seconds, ms, µs or ns.
func moment(v any) (time.Time, bool) {
	switch v := v.(type) {
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999Z07:00"} {
			if t, err := time.Parse(layout, v); err == nil {
				return t, true
			}
		}
		f, err := strconv.ParseFloat(v, 64)
		return since1970(f), err == nil && f > 1e9
	case json.Number:
		f, err := v.Float64()
		return since1970(f), err == nil && f > 1e9
	}
	return time.Time{}, false
}

func since1970(f float64) time.Time {
	switch {
	case f > 1e17:
		return time.Unix(0, int64(f))
	case f > 1e14:
		return time.UnixMicro(int64(f))
	case f > 1e11:
		return time.UnixMilli(int64(f))
	}
	return time.Unix(0, int64(f*1e9))
}

// ids takes the ids of trace and span, where they are such.
func (r record) ids(l *telemetry.Log) {
	for _, names := range [][]string{traceKeys, spanKeys} {
		key, ok := r.key(names)
		if !ok {
			continue
		}
		text := words(r.fields[key])
		text = text[strings.LastIndexByte(text, '/')+1:]
		if len(text) == 32 && l.Trace.UnmarshalText([]byte(text)) == nil || len(text) == 16 && l.Span.UnmarshalText([]byte(text)) == nil {
			delete(r.fields, key)
		}
	}
}
