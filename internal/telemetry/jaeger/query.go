package jaeger

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"msctl.dev/msctl/internal/telemetry"
)

// lookback is how far a search goes that does not say.
const lookback = 48 * time.Hour

// maxFilter is how long a filter may be, in bytes.
const maxFilter = 4 << 10

// query is a search for traces, or the ids of some.
type query struct {
	telemetry.Query
	ids []telemetry.TraceID
}

// read reads the parameters of /api/traces.
func (h *Handler) read(r *http.Request) (q query, err error) {
	if err := r.ParseForm(); err != nil {
		return q, fmt.Errorf("read parameters: %w", err)
	}
	for _, text := range r.Form["traceID"] {
		id, err := traceID(text)
		if err != nil {
			return q, err
		}
		q.ids = append(q.ids, id)
	}
	if len(q.ids) > maxTraces {
		return q, fmt.Errorf("%d trace ids, at most %d are read", len(q.ids), maxTraces)
	}
	if len(q.ids) > 0 {
		return q, nil
	}
	if q.Limit, err = limit(r.FormValue("limit")); err != nil {
		return q, err
	}
	if q.Since, q.Until, err = h.window(r); err != nil {
		return q, err
	}
	q.Filter, err = words(r)
	if err == nil && (len(q.Filter) > maxFilter || !utf8.ValidString(q.Filter)) {
		err = errors.New("parameters are too long, or not UTF-8")
	}
	return q, err
}

func traceID(text string) (id telemetry.TraceID, err error) {
	if len(text) == 0 || len(text) > 32 {
		return id, fmt.Errorf("read trace id %q: want up to 32 hexadecimal digits", text)
	}
	err = id.UnmarshalText([]byte(strings.Repeat("0", 32-len(text)) + text))
	return id, err
}

func limit(text string) (int, error) {
	if text == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("unable to parse param 'limit': %q is not a positive number", text)
	}
	return min(n, maxTraces), nil
}

// window reads start and end in µs, or else lookback: "1h", "2d", or "custom" which says nothing.
func (h *Handler) window(r *http.Request) (since, until time.Time, err error) {
	now := h.now()
	end, err := number(r, "end", now.UnixMicro())
	if err != nil {
		return since, until, err
	}
	back := lookback
	if text := r.FormValue("lookback"); text != "" && text != "custom" {
		if back, err = age(text); err != nil {
			return since, until, fmt.Errorf("unable to parse param 'lookback': %w", err)
		}
	}
	start, err := number(r, "start", end-back.Microseconds())
	return time.UnixMicro(start), time.UnixMicro(end), err
}

func age(text string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if digits, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.ParseInt(digits, 10, 16)
			return time.Duration(n) * unit, err
		}
	}
	return time.ParseDuration(text)
}

func number(r *http.Request, name string, otherwise int64) (int64, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("unable to parse param '%s': %w", name, err)
	}
	return n, nil
}

// millis is number within what a time can be.
func millis(r *http.Request, name string, otherwise int64) (int64, error) {
	n, err := number(r, name, otherwise)
	if err == nil && (n < 0 || n > 1<<53) {
		err = fmt.Errorf("unable to parse param '%s': %d is out of range", name, n)
	}
	return n, err
}

// words writes service, operation, durations and tags as a filter. All must hold for one span.
func words(r *http.Request) (string, error) {
	service := r.FormValue("service")
	if service == "" {
		return "", errors.New("parameter 'service' is required")
	}
	text := []string{"service=" + quote(service)}
	if op := r.FormValue("operation"); op != "" && op != "all" {
		text = append(text, "name="+quote(op))
	}
	bounds, err := durations(r)
	if err != nil {
		return "", err
	}
	tags, err := readTags(r.Form["tag"], r.Form["tags"])
	if err != nil {
		return "", err
	}
	for _, t := range tags {
		text = append(text, t.word())
	}
	return strings.Join(append(text, bounds...), " "), nil
}

func durations(r *http.Request) (text []string, err error) {
	var shortest, longest time.Duration
	for _, b := range []struct {
		name, op string
		d        *time.Duration
	}{{"minDuration", ">=", &shortest}, {"maxDuration", "<=", &longest}} {
		value := r.FormValue(b.name)
		if value == "" {
			continue
		}
		if *b.d, err = time.ParseDuration(value); err != nil {
			return nil, fmt.Errorf("unable to parse param '%s': %w", b.name, err)
		}
		text = append(text, "duration"+b.op+b.d.String())
	}
	if longest != 0 && longest < shortest {
		return nil, errors.New("'maxDuration' should be greater than 'minDuration'")
	}
	return text, nil
}

// tag is a key and the text that its value must be.
type tag struct{ key, value string }

// word writes a tag in the filter's language. The names that Jaeger has for parts of a span are not
// attributes here.
func (t tag) word() string {
	switch {
	case t.key == "error" && t.value == "true", t.key == "otel.status_code" && t.value == "ERROR":
		return "status=error"
	case t.key == "error" && t.value == "false":
		return "-status=error"
	case t.key == "otel.status_code" && t.value == "OK":
		return "status=ok"
	case t.key == "otel.status_description":
		return "message=" + quote(t.value)
	case t.key == "otel.scope.name", t.key == "otel.library.name":
		return "scope=" + quote(t.value)
	case t.key == "span.kind":
		return "kind:" + quote(t.value)
	}
	return quote(t.key) + "=" + quote(t.value)
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// readTags reads "tag=key:value" and "tags=", which is a JSON object or logfmt, in order of the keys.
func readTags(pairs, objects []string) (tags []tag, err error) {
	for _, p := range pairs {
		key, value, ok := strings.Cut(p, ":")
		if !ok || key == "" {
			return nil, fmt.Errorf("malformed 'tag' parameter, expecting key:value, received: %s", p)
		}
		tags = append(tags, tag{key, value})
	}
	for _, text := range objects {
		var more []tag
		if text = strings.TrimSpace(text); strings.HasPrefix(text, "{") {
			more, err = jsonTags(text)
		} else {
			more, err = logfmt(text)
		}
		if err != nil {
			return nil, err
		}
		tags = append(tags, more...)
	}
	slices.SortStableFunc(tags, func(a, b tag) int { return strings.Compare(a.key, b.key) })
	return tags, nil
}

func jsonTags(text string) (tags []tag, err error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return nil, fmt.Errorf("malformed 'tags' parameter, cannot unmarshal JSON: %w", err)
	}
	for k, raw := range object {
		value := string(raw)
		if strings.HasPrefix(value, `"`) {
			if err := json.Unmarshal(raw, &value); err != nil {
				return nil, fmt.Errorf("malformed 'tags' parameter, cannot unmarshal JSON: %w", err)
			}
		}
		if k == "" {
			return nil, errors.New("malformed 'tags' parameter, a key is empty")
		}
		tags = append(tags, tag{k, value})
	}
	return tags, nil
}

// logfmt reads key=value pairs with spaces between. A value may stand in quotes; a key alone is true.
func logfmt(text string) (tags []tag, err error) {
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		var t tag
		end := strings.IndexAny(text, "= \t")
		if end < 0 {
			end = len(text)
		}
		t.key, text = text[:end], text[end:]
		if t.key == "" {
			return nil, errors.New("malformed 'tags' parameter, a key is empty")
		}
		rest, has := strings.CutPrefix(text, "=")
		if !has {
			tags = append(tags, tag{t.key, "true"})
			continue
		}
		if t.value, text, err = logfmtValue(rest); err != nil {
			return nil, err
		}
		tags = append(tags, t)
	}
	return tags, nil
}

func logfmtValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, " \t")
		if end < 0 {
			return text, "", nil
		}
		return text[:end], text[end:], nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", errors.New("malformed 'tags' parameter, a quote is never closed")
	}
	value, err = strconv.Unquote(quoted)
	return value, text[len(quoted):], err
}
