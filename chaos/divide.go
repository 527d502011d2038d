package chaos

import (
	"fmt"
	"strconv"
	"strings"
)

// divide cuts a word at its commas, but for those in double quotes or in brackets.
func divide(w string) ([]string, error) {
	var parts []string
	var open []byte // brackets
	from, quoted := 0, false
	for i := 0; i < len(w); i++ {
		c := w[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"' && (quoted || i > 0 && w[i-1] == '='):
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			open = append(open, c+2) // } and ] are two behind
		case c == '}' || c == ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return nil, fmt.Errorf("%c closes nothing", c)
			}
			open = open[:len(open)-1]
		case c == ',' && len(open) == 0:
			parts = append(parts, w[from:i])
			from = i + 1
		}
	}
	if quoted || len(open) > 0 {
		return nil, fmt.Errorf("a quote or bracket is not closed")
	}
	return append(parts, w[from:]), nil
}

// unquote returns what a value stands for.
func unquote(value string) (string, error) {
	if !strings.HasPrefix(value, `"`) {
		return value, nil
	}
	text, err := strconv.Unquote(value)
	if err != nil {
		return "", fmt.Errorf("not a quoted text")
	}
	return text, nil
}

// quote writes a value so that it is read as it is.
func quote(value string) string {
	parts, err := divide("x=" + value)
	plain := err == nil && len(parts) == 1 && value != "" && !strings.HasPrefix(value, `"`) &&
		!strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
	if plain {
		return value
	}
	return strconv.Quote(value)
}
