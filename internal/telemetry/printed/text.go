package printed

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// level reads a word such as "WARN", or a number as pino and bunyan write it.
func level(word string) telemetry.Severity {
	if n, err := strconv.Atoi(word); err == nil && n >= 10 && n <= 60 {
		return telemetry.Severity((n/10-1)*4 + 1)
	}
	return telemetry.ParseSeverity(word)
}

// leading finds the level in plain text: one of its first words, alone, in brackets or before a colon.
func leading(text string) telemetry.Severity {
	for i, word := range strings.Fields(text[:min(len(text), 120)]) {
		if i == 5 {
			break
		}
		bare, _, _ := strings.Cut(strings.TrimLeft(word, "[(|<"), ":")
		bare = strings.TrimRight(bare, "])|>,")
		if bare == word && strings.ToUpper(word) != word {
			continue // a word of a sentence
		}
		if s := telemetry.ParseSeverity(bare); s != 0 {
			return s
		}
	}
	return 0
}

// readKlog reads "I0203 15:04:05.678901   12 main.go:34] text".
func readKlog(l *telemetry.Log, line []byte) bool {
	m := klog.FindSubmatch(line)
	if m == nil {
		return false
	}
	l.Severity = map[byte]telemetry.Severity{'I': telemetry.Info, 'W': telemetry.Warn, 'E': telemetry.Error, 'F': telemetry.Fatal}[m[1][0]]
	l.Body = string(m[3])
	l.Attrs = []telemetry.Attr{{Key: "caller", Value: string(m[2])}}
	return true
}

var klog = regexp.MustCompile(`^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d{6}\s+\d+ ([^ \]]+:\d+)\] ?(.*)$`)

// readZap reads zap's console: time, level, perhaps caller, and message with tabs between them.
func readZap(l *telemetry.Log, line []byte) bool {
	parts := strings.Split(string(line), "\t")
	if len(parts) < 3 || telemetry.ParseSeverity(parts[1]) == 0 {
		return false
	}
	if t, err := time.Parse("2006-01-02T15:04:05.999999999Z0700", parts[0]); err == nil {
		l.Time = t
	}
	l.Severity, parts = level(parts[1]), parts[2:]
	if len(parts) > 1 && strings.Contains(parts[0], ":") && !strings.Contains(parts[0], " ") {
		l.Attrs, parts = []telemetry.Attr{{Key: "caller", Value: parts[0]}}, parts[1:]
	}
	l.Body = strings.Join(parts, "\t")
	return true
}

// readLogfmt reads key=value pairs, of which one must be a message or a level.
func readLogfmt(l *telemetry.Log, line []byte) bool {
	fields, ok := logfmt(string(line))
	if !ok {
		return false
	}
	r := record{fields}
	_, message := r.key(messageKeys)
	if _, lvl := r.key(levelKeys); !lvl && !message {
		return false
	}
	r.common(l)
	if l.Body == "" {
		l.Body = string(line)
	}
	l.Attrs = r.rest("")
	return true
}

// logfmt splits a line of nothing but key=value pairs.
func logfmt(s string) (map[string]any, bool) {
	fields := map[string]any{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " ") {
		i := strings.IndexAny(s, "= \"")
		if i <= 0 || s[i] != '=' {
			return nil, false
		}
		key := s[:i]
		s = s[i+1:]
		if !strings.HasPrefix(s, `"`) {
			end := strings.IndexByte(s+" ", ' ')
			fields[key], s = s[:end], s[end:]
			continue
		}
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, false
		}
		fields[key], _ = strconv.Unquote(quoted) // a prefix that is quoted
		s = s[len(quoted):]
	}
	return fields, len(fields) > 0
}
