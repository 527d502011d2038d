package stack

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// yamlLine finds the line in what yaml.v3 says.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(?:line (\d+): )?(.*)$`)

// yaml.v3 counts lines from 0 in what its parser says, and from 1 in what its scanner says.
var parserMessage = regexp.MustCompile(`^did not find expected (node content|key|'-' indicator|',' or|<)`)

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)

// syntaxError gives the parser's message our form: its place is the line with which the text stops being
// YAML, not the beginning of what that line is in.
func syntaxError(file string, text []byte, err error) *Error {
	out := &Error{Pos: Pos{file, 1, 1}, Msg: "not valid YAML: " + err.Error()}
	m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m == nil {
		return out
	}
	message := strings.ToValidUTF8(m[3][:min(len(m[3]), 200)], "")
	out.Msg = "not valid YAML: " + message
	if anchor := unknownAnchor.FindStringSubmatch(m[3]); anchor != nil {
		out.Pos = find(file, text, "*"+anchor[1])
		return out
	}
	said, counted := strconv.Atoi(m[1] + m[2])
	if counted != nil {
		said = 1
	} else if parserMessage.MatchString(m[3]) {
		said++
	}
	s := script{lines: strings.Split(string(text), "\n")}
	out.Pos.Line = min(said, len(s.lines))
	if bad := s.firstBad(text); bad > 0 && !strings.HasPrefix(message, "a second document") {
		out.Pos.Line = bad
	}
	out.Pos.Col = s.indent(out.Pos.Line) + 1
	s.explain(out, message)
	return out
}

// find returns the place of what.
func find(file string, text []byte, what string) Pos {
	before, _, _ := bytes.Cut(text, []byte(what))
	line := bytes.LastIndexByte(before, '\n')
	return Pos{file, 1 + bytes.Count(before, []byte("\n")), len(before) - line}
}

// script is a text that is not YAML, by lines from 1.
type script struct{ lines []string }

// maxSearch bounds the lines of a text in which the first bad line is searched.
const maxSearch = 1000

// firstBad returns the line with which no beginning of the text is YAML any more, or 0 where it is not
// searched for: the text is long.
func (s script) firstBad(text []byte) int {
	if len(s.lines) > maxSearch || len(text) > 64*maxSearch {
		return 0
	}
	end := len(text)
	for n := len(s.lines); n > 0; n-- {
		end -= len(s.lines[n-1])
		if _, err := decode(text[:end]); err == nil {
			for n < len(s.lines) && s.blank(n) {
				n++
			}
			return n
		}
		end-- // the line end before it
	}
	return 0
}

func (s script) line(n int) string { return s.lines[n-1] }

func (s script) blank(n int) bool {
	t := strings.TrimSpace(s.line(n))
	return t == "" || t[0] == '#'
}

// indent returns how many spaces and tabs a line begins with.
func (s script) indent(n int) int {
	return len(s.line(n)) - len(strings.TrimLeft(s.line(n), " \t"))
}

// before returns the last line before n that says something, or 0.
func (s script) before(n int) int {
	for n--; n > 0 && s.blank(n); n-- {
	}
	return n
}

// explain says what to do about the mistake at e, and moves it to the very place on its line.
func (s script) explain(e *Error, message string) {
	n := e.Pos.Line
	line := s.line(n)
	if tab := strings.IndexByte(line[:s.indent(n)], '\t'); tab >= 0 {
		e.Pos.Col, e.Hint = tab+1, "indent with spaces: YAML allows no tab there"
		return
	}
	switch {
	case strings.HasPrefix(message, "mapping values are not allowed"):
		s.explainColon(e)
	case strings.HasPrefix(message, "could not find expected ':'"):
		e.Hint = missingColon(line)
	case strings.HasPrefix(message, "did not find expected ',' or"):
		if at := strings.LastIndexAny(line, "[{"); at >= 0 {
			e.Pos.Col, e.Hint = at+1, fmt.Sprintf("%c begins here: close it, with commas between what is in it", line[at])
		}
	case strings.HasPrefix(message, "found unexpected end of stream"), strings.HasPrefix(message, "found unexpected document indicator"):
		if at := strings.IndexAny(line, `"'`); at >= 0 {
			e.Pos.Col, e.Hint = at+1, "the quote that begins here does not end"
		}
	case strings.HasPrefix(message, "found character that cannot start"):
		if at := strings.IndexAny(line, "@`%"); at >= 0 {
			e.Pos.Col, e.Hint = at+1, fmt.Sprintf("put what begins with %c in quotes", line[at])
		}
	case strings.HasPrefix(message, "did not find expected key"), strings.HasPrefix(message, "did not find expected '-'"):
		e.Hint = s.explainIndent(n)
	}
}

// explainColon is about a colon where no key can be.
func (s script) explainColon(e *Error) {
	n := e.Pos.Line
	prev := s.before(n)
	if prev > 0 && s.indent(n) > s.indent(prev) {
		above := strings.TrimSpace(s.line(prev))
		if !strings.Contains(above, ":") {
			e.Pos.Line, e.Pos.Col, e.Hint = prev, s.indent(prev)+1, missingColon(above)
			return
		}
		if !strings.HasSuffix(above, ":") {
			e.Hint = fmt.Sprintf("it is indented deeper than line %d, which has a value already: indent both alike", prev)
			return
		}
	}
	first := strings.Index(s.line(n), ": ")
	if second := strings.Index(s.line(n)[first+1:], ": "); first >= 0 && second >= 0 {
		e.Pos.Col, e.Hint = first+second+2, "put a value with a colon in quotes"
	}
}

func missingColon(line string) string {
	return "a colon is missing: write `" + strings.TrimSpace(line) + ":`"
}

// explainIndent is about a line that continues nothing above it.
func (s script) explainIndent(n int) string {
	var open []string // the indents that go on there
	least := -1
	for at := s.before(n); at > 0 && least != 0; at = s.before(at) {
		i := s.indent(at)
		if least >= 0 && i >= least {
			continue
		}
		least = i
		if i == s.indent(n) {
			if strings.HasPrefix(strings.TrimSpace(s.line(n)), "- ") {
				return fmt.Sprintf("line %d is a key, and this an item of a list", at)
			}
			return fmt.Sprintf("line %d is an item of a list, and this is not: begin it with `- `, or indent it as the list's key", at)
		}
		open = append(open, strconv.Itoa(i))
	}
	slices.Reverse(open)
	return fmt.Sprintf("it is indented by %d spaces, and the lines above it by %s", s.indent(n), strings.Join(open, ", "))
}
