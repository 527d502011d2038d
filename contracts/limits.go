package contracts

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Limits bounds what [Parse] accepts. The zero value means the defaults.
type Limits struct {
	Bytes        int // of the file; 0 means 8 MiB
	Depth        int // of nested JSON; 0 means 64
	Values       int // JSON values in the file; 0 means 500 000
	Interactions int // 0 means 5 000
	Regex        int // bytes of one regular expression; 0 means 1 000
	Name         int // bytes of a consumer's or provider's name; 0 means 100
	Text         int // bytes of a description or of a state's name; 0 means 1 000
}

func (l Limits) defaults() Limits {
	return Limits{
		Bytes:        cmp.Or(l.Bytes, 8<<20),
		Depth:        cmp.Or(l.Depth, 64),
		Values:       cmp.Or(l.Values, 500_000),
		Interactions: cmp.Or(l.Interactions, 5_000),
		Regex:        cmp.Or(l.Regex, 1_000),
		Name:         cmp.Or(l.Name, 100),
		Text:         cmp.Or(l.Text, 1_000),
	}
}

// scan checks size, depth and number of values before anything is built from data.
func (l Limits) scan(data []byte) error {
	if len(data) > l.Bytes {
		return fmt.Errorf("%d bytes, more than the %d that a pact may have", len(data), l.Bytes)
	}
	depth, values := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = endOfString(data, i)
		case '{', '[':
			depth++
			values++
		case '}', ']':
			depth--
		case ',':
			values++
		}
		if depth > l.Depth {
			return fmt.Errorf("JSON nested deeper than %d", l.Depth)
		}
		if values > l.Values {
			return fmt.Errorf("more than %d JSON values", l.Values)
		}
	}
	return nil
}

// endOfString returns the index of the quote that closes the string opened at i, or the end of data.
func endOfString(data []byte, i int) int {
	for i++; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i
}

// name checks the name of a consumer or provider: it becomes part of a file's name and of a URL.
func (l Limits) name(role, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s has no name", role)
	case len(name) > l.Name:
		return fmt.Errorf("name of the %s is longer than %d bytes", role, l.Name)
	case strings.ContainsFunc(name, notInName), !wordAt(name[0]), !wordAt(name[len(name)-1]):
		return fmt.Errorf("name of the %s is %q: only letters, digits and, within, \".\", \"_\", \"-\" and spaces", role, name)
	}
	return nil
}

func notInName(r rune) bool {
	return r > unicode.MaxASCII || !wordAt(byte(r)) && !strings.ContainsRune("._- ", r)
}

func wordAt(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// text checks a description or the name of a state.
func (l Limits) text(what, text string) error {
	if text == "" {
		return fmt.Errorf("%s is empty", what)
	}
	if len(text) > l.Text {
		return fmt.Errorf("%s is longer than %d bytes", what, l.Text)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%s %.60q holds control characters", what, text)
	}
	return nil
}

// regex checks one expression. Only RE2 is accepted: it matches in linear time wherever it runs.
func (l Limits) regex(expr string) error {
	if len(expr) > l.Regex {
		return fmt.Errorf("regular expression %.40q… is longer than %d bytes", expr, l.Regex)
	}
	if _, err := regexp.Compile(expr); err != nil {
		return fmt.Errorf("regular expression %.80q is not RE2: %w", expr, err)
	}
	return nil
}
