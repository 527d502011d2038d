package cli

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"msctl.dev/msctl/internal/output"
)

// format says how lines of output are shown. It is safe for concurrent use.
type format struct {
	colour bool // prefixes in colour, and the colours of the units themselves
	raw    bool // exactly what the unit printed, whatever it does to the terminal
	tidy   bool // JSON logs as "LEVEL message key=value …", for a person at a terminal
	json   bool
	times  bool
	alone  bool // one unit only: no prefix
	names  []string
	mask   func([]byte) []byte // hides secrets; nil hides none

	mu       sync.Mutex
	prefixes map[string][]byte
}

// jsonLine is a line under --json.
type jsonLine struct {
	Type   string    `json:"type"` // "line"
	Unit   string    `json:"unit"`
	Seq    uint64    `json:"seq"`
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"`
	Text   string    `json:"text"`
	Cut    int       `json:"cut,omitempty"`
}

// add appends one line of a unit to b.
func (f *format) add(b []byte, unit string, prefix []byte, l output.Line) []byte {
	if f.mask != nil {
		l.Text = f.mask(l.Text)
	}
	if f.json {
		text, _ := json.Marshal(jsonLine{"line", unit, l.Seq, l.At, l.Stream.String(), string(l.Text), l.Cut})
		return append(append(b, text...), '\n')
	}
	b = append(b, prefix...)
	if f.times {
		b = l.At.AppendFormat(b, "15:04:05.000 ")
	}
	b = f.text(b, l.Text)
	if l.Cut > 0 {
		b = append(b, "… "...)
		b = append(strconv.AppendInt(b, int64(l.Cut), 10), " bytes"...)
	}
	return append(b, '\n')
}

func (f *format) text(b, text []byte) []byte {
	if f.raw {
		return append(b, text...)
	}
	if f.tidy {
		if said, ok := output.Readable(text); ok {
			text = []byte(said)
		}
	}
	if f.colour {
		return append(b, output.Clean(text)...)
	}
	return append(b, output.Plain(text)...)
}

// prefix returns what stands before the lines of a unit, in its own colour. It is made once.
func (f *format) prefix(unit string) []byte {
	if f.alone || f.json {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, made := f.prefixes[unit]; made {
		return p
	}
	if f.prefixes == nil {
		f.prefixes = map[string][]byte{}
	}
	width := 0
	for _, n := range f.names {
		width = max(width, utf8.RuneCountInString(n))
	}
	p := screen{colour: f.colour}.paint(prefixColours[len(f.prefixes)%len(prefixColours)], pad(unit, width)+" │ ")
	f.prefixes[unit] = []byte(p)
	return f.prefixes[unit]
}

func pad(text string, width int) string {
	for utf8.RuneCountInString(text) < width {
		text += " "
	}
	return text
}
