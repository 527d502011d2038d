package stack

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// What a stack file may cost. They are far above what people write and keep any answer under a second
// and 100 MB: yaml.v3 needs 160 bytes for each value, so the values are bounded before it sees them.
const (
	maxBytes    = 1 << 20
	maxMarks    = 100_000 // characters that can begin a value
	maxDepth    = 64
	maxValues   = 2 * maxMarks // with aliases replaced
	smallValues = 20_000       // with aliases replaced, allowed to any file
	maxAlias    = 10           // expanded values for each value written
	maxUnits    = 5_000        // services and resources
	maxListens  = 100          // ports of one service
	maxEvents   = 1_000        // keys that services publish and consume
	maxErrors   = 100          // reported; the rest is counted
	maxVariable = 100_000      // bytes of a variable from a file; Linux has room for 131,072
	maxText     = 65_536       // bytes of one value
)

// inspect refuses text that is no stack file or would cost too much to parse.
func inspect(file string, text []byte) *Error {
	if len(text) > maxBytes {
		return &Error{Pos: Pos{file, 1, 1}, Msg: fmt.Sprintf("the file has more than %d bytes", maxBytes),
			Hint: "split it: -f repeats, and stack.override.yaml is merged"}
	}
	if hint := encoding(text); hint != "" {
		return &Error{Pos: Pos{file, 1, 1}, Msg: "the file does not begin with plain UTF-8 text", Hint: hint}
	}
	return inspectRunes(file, text)
}

func encoding(text []byte) string {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(text, []byte(mark)) {
			return "save it as UTF-8 without a byte order mark"
		}
	}
	return ""
}

func inspectRunes(file string, text []byte) *Error {
	line, col, marks := 1, 1, 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		pos := Pos{file, line, col}
		switch {
		case r == utf8.RuneError && size == 1:
			return &Error{Pos: pos, Msg: fmt.Sprintf("byte 0x%02x is not UTF-8", text[i])}
		case unseen(r):
			return &Error{Pos: pos, Msg: fmt.Sprintf("character %U is not allowed", r), Hint: `in a double-quoted value write it as "\u…"`}
		case mark(r):
			marks++
		}
		if marks > maxMarks {
			return &Error{Pos: pos, Msg: fmt.Sprintf("the file has more than %d values", maxMarks)}
		}
		i, col = i+size, col+1
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return nil
}

// mark reports a character that can begin a YAML value: there are never more values than two for each.
func mark(r rune) bool {
	switch r {
	case '\n', '\r', ',', ':', '-', '?', '[', '{':
		return true
	}
	return false
}

// unseen reports characters that a reader of the file cannot see: controls, and those that turn the
// direction of text, which make a file read differently from what it says.
func unseen(r rune) bool {
	switch {
	case r == '\n', r == '\r', r == '\t':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0xfeff, r == 0x2028, r == 0x2029:
		return true
	}
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
