package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/otlp"
)

// hideJSON masks the secrets in the strings of a JSON text, and nothing else of it: a secret may be a word
// that is also the name of a field.
func hideJSON(text []byte, mask func(string) string) ([]byte, error) {
	if mask(string(text)) == string(text) {
		return text, nil
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("mask answer: %w", err)
	}
	return json.Marshal(hideIn(v, mask))
}

func hideIn(v any, mask func(string) string) any {
	switch v := v.(type) {
	case string:
		return mask(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = hideIn(v[i], mask)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = hideIn(v[k], mask)
		}
		return out
	}
	return v
}

// hidden answers with secrets masked what next answers in JSON.
func hidden(next http.Handler, mask func(string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(&a, r)
		text, err := hideJSON(a.text.Bytes(), mask)
		if err != nil { // it is no JSON
			text = []byte(mask(a.text.String()))
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(a.status)
		w.Write(inert(text))
	})
}

// answer holds an answer back.
type answer struct {
	http.ResponseWriter
	status int
	text   bytes.Buffer
}

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(b []byte) (int, error) { return a.text.Write(b) }

// hiddenMetrics shows metrics with the secrets in their names and attributes masked, and nothing that would
// drive the terminal of who reads them there.
type hiddenMetrics struct {
	otlp.Metrics
	mask func(string) string
}

// Last returns each series that has a point since then.
func (h hiddenMetrics) Last(since time.Time) []telemetry.Series {
	all := h.Metrics.Last(since)
	for i := range all {
		s := &all[i]
		s.Service, s.Name, s.Doc, s.Unit = h.word(s.Service), h.word(s.Name), h.word(s.Doc), h.word(s.Unit)
		attrs := make([]telemetry.Attr, len(s.Attrs))
		for j, a := range s.Attrs {
			attrs[j] = telemetry.Attr{Key: h.word(a.Key), Value: hideIn(a.Value, h.word)}
		}
		s.Attrs = attrs
	}
	return all
}

func (h hiddenMetrics) word(text string) string { return clean(h.mask(text)) }
