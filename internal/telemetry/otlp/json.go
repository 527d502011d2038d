package otlp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Bounds of JSON, which is decoded into structs here: two bytes can become hundreds.
const (
	maxNesting = 128     // how deep values may contain each other
	maxObjects = 250_000 // of one body
)

// transcode reads OTLP/JSON and writes protobuf.
func (s *server) transcode(ctx context.Context, sig signal, body []byte) ([]byte, error) {
	select {
	case s.decoded <- struct{}{}:
		defer func() { <-s.decoded }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	body, objects, err := base64IDs(body)
	if err == nil && objects > maxObjects {
		err = fmt.Errorf("decode JSON: it has %d objects, at most %d are read: send less at once", objects, maxObjects)
	}
	if err != nil {
		return nil, err
	}
	req := signals[sig].request()
	o := protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxNesting}
	if err := o.Unmarshal(body, req); err != nil {
		return nil, fmt.Errorf("decode JSON: %w", err)
	}
	return proto.Marshal(req)
}

// base64IDs writes the ids of spans and traces the way protojson wants bytes: in OTLP/JSON they are
// hexadecimal, which protojson takes for base64 without an error. Everything else stays. It
// also counts the objects.
func base64IDs(in []byte) (out []byte, objects int, err error) {
	out = make([]byte, 0, len(in)+len(in)/16)
	for len(in) > 0 {
		start := bytes.IndexByte(in, '"')
		if start < 0 {
			break
		}
		end := stringEnd(in, start)
		objects += bytes.Count(in[:start], []byte("{"))
		word := in[start:end]
		out, in = append(out, in[:end]...), in[end:]
		if !idKey(word) {
			continue
		}
		value, ok := afterColon(in)
		if !ok {
			continue
		}
		out, in = append(out, in[:value]...), in[value:]
		end = stringEnd(in, 0)
		id, err := hex.DecodeString(string(bytes.Trim(in[:end], `"`)))
		if err != nil {
			return nil, 0, fmt.Errorf("read id %s: it is not hexadecimal", in[:min(end, 64)])
		}
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, id)
		out, in = append(out, '"'), in[end:]
	}
	return append(out, in...), objects + bytes.Count(in, []byte("{")), nil
}

// stringEnd returns the index behind the string that starts with a quote there.
func stringEnd(b []byte, start int) int {
	for i := start + 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func idKey(quoted []byte) bool {
	switch string(quoted) {
	case `"traceId"`, `"spanId"`, `"parentSpanId"`, `"trace_id"`, `"span_id"`, `"parent_span_id"`:
		return true
	}
	return false
}

// afterColon returns where the string starts that follows a key.
func afterColon(b []byte) (int, bool) {
	rest := bytes.TrimLeft(b, " \t\r\n")
	rest, ok := bytes.CutPrefix(rest, []byte(":"))
	if !ok {
		return 0, false
	}
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(b) - len(rest), len(rest) > 0 && rest[0] == '"'
}
