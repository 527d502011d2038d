package printed

import (
	"regexp"
	"strings"

	"msctl.dev/msctl/internal/telemetry"
)

// maxJoined bounds the lines of one record.
const maxJoined = 200

// Joiner puts the lines of stack traces and other records of several lines together. Its zero value is
// ready. It reads the lines of one unit in their order.
type Joiner struct {
	open  *telemetry.Log
	lines int
	trace traceback
}

// traceback says what kind of trace the open record is in.
type traceback int

const (
	noTrace traceback = iota
	goTrace
	pythonTrace
)

// Add takes the next record and returns the one before it once that is complete, or nil.
func (j *Joiner) Add(l telemetry.Log, raw string) *telemetry.Log {
	if j.open != nil && j.continues(l, raw) {
		if j.lines++; j.lines < maxJoined {
			j.open.Body += "\n" + strings.TrimRight(raw, " \t\r")
		}
		return nil
	}
	done := j.open
	j.open, j.lines, j.trace = &l, 1, begins(raw)
	if j.trace != noTrace && l.Severity == 0 {
		l.Severity = telemetry.Error
	}
	return done
}

// Flush returns what is left, or nil.
func (j *Joiner) Flush() *telemetry.Log {
	done := j.open
	*j = Joiner{}
	return done
}

// continues reports a line that belongs to the open record.
func (j *Joiner) continues(l telemetry.Log, raw string) bool {
	structured := len(l.Attrs) > 0 || l.Body != strings.TrimSpace(raw)
	if structured || l.Severity != 0 && begins(raw) == noTrace {
		return false
	}
	if kind := begins(raw); kind != noTrace && j.trace == noTrace {
		j.trace = kind
		return false
	}
	switch j.trace {
	case goTrace:
		return true
	case pythonTrace:
		if !indented(raw) && raw != "" { // the exception itself ends it
			j.trace = noTrace
		}
		return true
	}
	return indented(raw) || strings.HasPrefix(raw, "Caused by: ") || strings.HasPrefix(raw, "}")
}

func begins(raw string) traceback {
	switch {
	case strings.HasPrefix(raw, "Traceback (most recent call last)"):
		return pythonTrace
	case strings.HasPrefix(raw, "panic: "), strings.HasPrefix(raw, "fatal error: "), goroutine.MatchString(raw):
		return goTrace
	}
	return noTrace
}

var goroutine = regexp.MustCompile(`^goroutine \d+ \[`)

func indented(raw string) bool {
	return strings.HasPrefix(raw, " ") || strings.HasPrefix(raw, "\t")
}
