package telemetry

import (
	"encoding/json"
	"fmt"
	"strings"
)

var kinds = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}

// String returns "server", "client", and so on.
func (k Kind) String() string { return kinds[min(int(k), len(kinds)-1)] }

// MarshalText returns the same as String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *Kind) UnmarshalText(b []byte) error { return word(k, "kind", kinds[:], b) }

var statuses = [...]string{"unset", "ok", "error"}

// String returns "unset", "ok" or "error".
func (s Status) String() string { return statuses[min(int(s), len(statuses)-1)] }

// MarshalText returns the same as String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Status) UnmarshalText(b []byte) error { return word(s, "status", statuses[:], b) }

func word[T ~uint8](out *T, what string, words []string, b []byte) error {
	for i, w := range words {
		if w == string(b) {
			*out = T(i)
			return nil
		}
	}
	return fmt.Errorf("read %s %q: want one of %s", what, b, strings.Join(words, ", "))
}

// Value returns what a filter finds under a key: a field of the span, an attribute of it, or one of its resource.
func (s *Span) Value(key string) (any, bool) {
	switch key {
	case "service":
		return s.Service, s.Service != ""
	case "instance":
		return s.Instance, s.Instance != ""
	case "name":
		return s.Name, true
	case "kind":
		return s.Kind.String(), true
	case "status":
		return s.Status.String(), true
	case "duration":
		return s.Duration, true
	case "message":
		return s.Message, s.Message != ""
	case "edge", edgeKey:
		return s.Edge, s.Edge != ""
	case "scope":
		return s.Scope, s.Scope != ""
	case "trace":
		return s.Trace.String(), true
	case "span":
		return s.ID.String(), true
	case "parent":
		return s.Parent.String(), s.Parent != (SpanID{})
	}
	if v, ok := valueOf(s.Attrs, key); ok {
		return v, true
	}
	return valueOf(s.Resource, key)
}

// Text is all that a bare word of a filter is searched in: names, values of attributes, messages and events.
func (s *Span) Text() string {
	var b []byte
	for _, w := range []string{s.Service, s.Instance, s.Name, s.Message, s.Edge} {
		b = append(append(b, w...), '\n')
	}
	b = appendValues(b, s.Attrs)
	for _, e := range s.Events {
		b = append(append(b, e.Name...), '\n')
		b = appendValues(b, e.Attrs)
	}
	return string(b)
}

// Value returns what a filter finds under a key: a field of the record, or an attribute.
func (l *Log) Value(key string) (any, bool) {
	switch key {
	case "service":
		return l.Service, l.Service != ""
	case "instance":
		return l.Instance, l.Instance != ""
	case "level", "severity":
		return l.Severity, l.Severity != 0
	case "body", "message":
		return l.Body, true
	case "trace":
		return l.Trace.String(), l.Trace != (TraceID{})
	case "span":
		return l.Span.String(), l.Span != (SpanID{})
	case "printed":
		return l.Printed, true
	}
	return valueOf(l.Attrs, key)
}

// Text is all that a bare word of a filter is searched in.
func (l *Log) Text() string {
	b := append(append([]byte(l.Service), '\n'), l.Instance...)
	b = append(append(append(b, '\n'), l.Body...), '\n')
	return string(appendValues(b, l.Attrs))
}

func valueOf(attrs []Attr, key string) (any, bool) {
	for i := range attrs {
		if attrs[i].Key == key {
			return attrs[i].Value, true
		}
	}
	return nil, false
}

func appendValues(b []byte, attrs []Attr) []byte {
	for _, a := range attrs {
		b = append(appendText(b, a.Value), '\n')
	}
	return b
}

// UnmarshalJSON reads an attribute as MarshalJSON of the standard library wrote it: whole numbers are
// int64, nested attributes are lists of attributes. Bytes come back as the string in base64.
func (a *Attr) UnmarshalJSON(b []byte) error {
	var in struct {
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	v, err := readJSON(in.Value)
	a.Key, a.Value = in.Key, v
	return err
}

func readJSON(b []byte) (any, error) {
	if len(b) == 0 {
		return "", nil
	}
	switch b[0] {
	case '[':
		return readList(b)
	case '{':
		return nil, fmt.Errorf("read attribute: %q is no value", b)
	case '"', 't', 'f', 'n':
		var v any
		err := json.Unmarshal(b, &v)
		return v, err
	}
	var n int64
	if err := json.Unmarshal(b, &n); err == nil {
		return n, nil
	}
	var f float64
	err := json.Unmarshal(b, &f)
	return f, err
}

func readList(b []byte) (any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, err
	}
	if len(raw) > 0 && raw[0][0] == '{' {
		var attrs []Attr
		err := json.Unmarshal(b, &attrs)
		return attrs, err
	}
	out := make([]any, 0, len(raw))
	for _, r := range raw {
		v, err := readJSON(r)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
