package tui

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/telemetry"
)

// line is one line of a unit. It does not change; what is read from its text is read when first asked for.
type line struct {
	unit   string
	at     time.Time
	stream output.Stream
	text   []byte
	cut    int

	viewed sync.Once
	shown  string // as drawn: clean, structured logs made readable
	parsed sync.Once
	fields map[string]string
}

// book is the last lines of all units in the order of time: a bounded window over what is on disk.
type book struct {
	lines []*line
	bytes int
	first uint64 // how many were dropped before lines[0]
	lost  int    // never came here
}

// What a book keeps.
const (
	maxLines = 20000
	maxBytes = 64 << 20
)

// add takes in new lines, which it sorts.
func (b *book) add(fresh []*line) {
	slices.SortStableFunc(fresh, func(x, y *line) int { return x.at.Compare(y.at) })
	for _, l := range fresh {
		b.bytes += len(l.text)
	}
	b.lines = merged(b.lines, fresh)
	b.trim()
}

// merged puts fresh lines, which are sorted, among lines by their times. Units' lines reach the feed in
// bursts, so that a line may belong before others that came earlier.
func merged(lines, fresh []*line) []*line {
	if len(fresh) == 0 {
		return lines
	}
	from := len(lines)
	for from > 0 && lines[from-1].at.After(fresh[0].at) {
		from--
	}
	tail := slices.Clone(lines[from:])
	lines = lines[:from]
	for len(tail) > 0 || len(fresh) > 0 {
		if len(fresh) == 0 || len(tail) > 0 && !tail[0].at.After(fresh[0].at) {
			lines, tail = append(lines, tail[0]), tail[1:]
			continue
		}
		lines, fresh = append(lines, fresh[0]), fresh[1:]
	}
	return lines
}

// trim drops the oldest lines.
func (b *book) trim() {
	n := max(0, len(b.lines)-maxLines)
	for i := range n {
		b.bytes -= len(b.lines[i].text)
	}
	for n < len(b.lines) && b.bytes > maxBytes {
		b.bytes -= len(b.lines[n].text)
		n++
	}
	if n == 0 {
		return
	}
	b.first += uint64(n)
	clear(b.lines[:n])
	b.lines = b.lines[n:]
}

// view is the line as it is drawn, without its time and unit.
func (l *line) view() string {
	l.viewed.Do(func() {
		text := l.text
		if readable, ok := output.Readable(text); ok {
			text = []byte(readable)
		}
		l.shown = clean(text[:min(len(text), maxShown)])
		if l.cut > 0 {
			l.shown += " … " + size(int64(l.cut)) + " cut"
		}
	})
	return l.shown
}

// maxShown is how much of a line is drawn; its detail shows all.
const maxShown = 4 << 10

// field returns a value of a structured line: of JSON, or of key=value.
func (l *line) field(key string) (string, bool) {
	v, ok := l.all()[key]
	return v, ok
}

// all is every field of a structured line.
func (l *line) all() map[string]string {
	l.parsed.Do(l.parse)
	return l.fields
}

func (l *line) parse() {
	text := bytes.TrimSpace(l.text)
	if len(text) > 1 && text[0] == '{' {
		var raw map[string]any
		if json.Unmarshal(text, &raw) == nil {
			l.fields = map[string]string{}
			for k, v := range raw {
				l.fields[k] = word(v)
			}
			return
		}
	}
	for _, found := range logfmt.FindAllSubmatch(text[:min(len(text), maxShown)], 64) {
		if l.fields == nil {
			l.fields = map[string]string{}
		}
		l.fields[string(found[1])] = strings.Trim(string(found[2]), `"`)
	}
}

var logfmt = regexp.MustCompile(`(?:^|\s)([A-Za-z_][\w.\-]*)=("(?:[^"\\]|\\.)*"|\S*)`)

func word(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

var (
	traceKeys = [...]string{"trace_id", "traceId", "traceID", "trace", "TraceId", "dd.trace_id", "otelTraceID"}
	levelKeys = [...]string{"level", "severity", "lvl", "levelname", "Level"}
	hexID     = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// trace returns the id of the trace that the line belongs to, or "".
func (l *line) trace() string {
	for _, k := range traceKeys {
		if v, ok := l.field(k); ok && hexID.MatchString(strings.ToLower(v)) {
			return strings.ToLower(v)
		}
	}
	return ""
}

// level returns "error", "warn", "info", "debug", or "" where the line does not say.
func (l *line) level() string {
	for _, k := range levelKeys {
		v, ok := l.field(k)
		if !ok {
			continue
		}
		if s := telemetry.ParseSeverity(v); s != 0 {
			return min(s, telemetry.Error).String()
		}
		return strings.ToLower(v)
	}
	return ""
}
