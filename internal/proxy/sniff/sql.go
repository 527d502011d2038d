package sniff

import (
	"bytes"
	"hash/maphash"
	"strings"
)

// statement is what is kept of an SQL statement.
type statement struct {
	name   string // "SELECT orders"
	op     string // "SELECT"
	table  string // "orders"; "" none
	text   string // without literals and comments
	parent string // traceparent of a comment
}

// short returns the statement without its text.
func (s *statement) short() *statement {
	return &statement{name: s.name, op: s.op, table: s.table, parent: s.parent}
}

// Bounds of what is kept of SQL.
const (
	maxSQL        = 4 << 10  // read of one statement
	maxText       = 512      // kept of one
	maxTexts      = 10 << 10 // kept of all
	maxTable      = 64
	maxStatements = 96
)

// dialect is how literals and names are quoted.
type dialect struct {
	doubleQuoted bool // "…" is a string, not a name
	backslash    bool // \ escapes in '…'
	dollar       bool // $tag$…$tag$ is a string
	hash         bool // # begins a comment
}

// statements knows statements by the hash of their text, which may hold secrets. Its zero value works.
type statements struct {
	dialect
	seed  maphash.Seed
	known map[uint64]*statement
	size  int    // of all texts
	text  []byte // used again
}

func (s *statements) of(sql []byte) *statement {
	h := s.hash(sql)
	if st := s.known[h]; st != nil {
		return st
	}
	st := s.read(sql)
	if st.parent != "" {
		return st // it is never said again
	}
	if s.known == nil {
		s.known = make(map[uint64]*statement)
	}
	if len(s.known) >= maxStatements || s.size >= maxTexts {
		clear(s.known)
		s.size = 0
	}
	s.known[h] = st
	s.size += len(st.text)
	return st
}

func (s *statements) hash(b []byte) uint64 {
	if s.seed == (maphash.Seed{}) {
		s.seed = maphash.MakeSeed()
	}
	return maphash.Bytes(s.seed, b)
}

// read normalises a statement: literals become question marks, comments go, white space is one blank.
func (s *statements) read(sql []byte) *statement {
	r := sqlReader{dialect: s.dialect, in: sql, out: s.text[:0]}
	for r.token() {
	}
	s.text = r.out
	st := &statement{parent: r.parent}
	st.op, st.table = subject(r.words)
	st.name = st.op
	if st.table != "" {
		st.name = st.op + " " + strings.ToValidUTF8(st.table, "?")
		st.op, st.table = st.name[:len(st.op)], st.name[len(st.op)+1:]
	}
	text := bytes.TrimRight(r.out, " ;")
	if len(text) > maxText {
		text = text[:maxText]
	}
	st.text = strings.ToValidUTF8(string(text), "?")
	return st
}

// sqlReader reads one statement.
type sqlReader struct {
	dialect
	in     []byte
	out    []byte
	words  []string // the first words, names and brackets; words in upper case begin with a NUL when quoted
	parent string
}

// maxSQLWords is how many words are looked at to find what a statement is about.
const maxSQLWords = 256

// token reads the next token, or reports the end.
func (r *sqlReader) token() bool {
	if len(r.in) == 0 {
		return false
	}
	c := r.in[0]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		r.in = r.in[1:]
		r.space()
	case bytes.HasPrefix(r.in, []byte("--")) || r.hash && c == '#':
		r.comment(r.in[:lineEnd(r.in)])
	case bytes.HasPrefix(r.in, []byte("/*")):
		r.comment(r.in[:commentEnd(r.in)])
	case c == '\'' || c == '"' && r.doubleQuoted:
		r.literal(quotedEnd(r.in, c, r.backslash))
	case c == '"' || c == '`':
		n := quotedEnd(r.in, c, false)
		r.name(r.in[:n], strings.Trim(string(r.in[:n]), string(c)), true)
	case c == '$' && r.dollar && len(r.in) > 1 && digit(r.in[1]):
		r.copy(1 + numberEnd(r.in[1:]))
	case c == '$' && r.dollar && dollarTag(r.in) > 0:
		r.literal(dollarEnd(r.in))
	case digit(c) || c == '.' && len(r.in) > 1 && digit(r.in[1]):
		r.literal(numberEnd(r.in))
	case nameByte(c):
		r.word()
	default:
		if c == '(' || c == ')' || c == ';' || c == '.' || c == ',' {
			r.note(string(c))
		}
		r.copy(1)
	}
	return true
}

// word reads a name or keyword, and a string that a prefix such as E or N belongs to.
func (r *sqlReader) word() {
	n := 0
	for n < len(r.in) && (nameByte(r.in[n]) || digit(r.in[n]) || r.in[n] == '$') {
		n++
	}
	if n <= 2 && n < len(r.in) && r.in[n] == '\'' && strings.ContainsRune("ENBXenbx", rune(r.in[0])) {
		escapes := r.backslash || r.in[0]|0x20 == 'e'
		r.literal(n + quotedEnd(r.in[n:], '\'', escapes))
		return
	}
	r.name(r.in[:n], string(r.in[:n]), false)
}

func (r *sqlReader) name(shown []byte, name string, quoted bool) {
	if quoted {
		name = "\x00" + name
	}
	r.note(name)
	r.copy(len(shown))
}

func (r *sqlReader) note(w string) {
	if len(r.words) < maxSQLWords {
		r.words = append(r.words, w[:min(len(w), maxTable)])
	}
}

func (r *sqlReader) copy(n int) {
	if len(r.out) <= maxText {
		r.out = append(r.out, r.in[:n]...)
	}
	r.in = r.in[n:]
}

func (r *sqlReader) space() {
	if n := len(r.out); n > 0 && r.out[n-1] != ' ' {
		r.out = append(r.out, ' ')
	}
}

// literal replaces n bytes by a question mark, and a list of such by one.
func (r *sqlReader) literal(n int) {
	r.in = r.in[n:]
	r.note("?")
	trimmed := bytes.TrimRight(r.out, " ")
	if rest, ok := bytes.CutSuffix(trimmed, []byte(",")); ok {
		if rest = bytes.TrimRight(rest, " "); bytes.HasSuffix(rest, []byte("?")) {
			r.out = rest
			return
		}
	}
	if len(r.out) <= maxText {
		r.out = append(r.out, '?')
	}
}

// comment drops a comment, and keeps the trace context that it may carry (sqlcommenter).
func (r *sqlReader) comment(c []byte) {
	r.in = r.in[len(c):]
	r.space()
	const field = "traceparent='"
	if i := bytes.Index(c, []byte(field)); i >= 0 {
		c = c[i+len(field):]
		if end := bytes.IndexByte(c, '\''); end >= 0 && traceParent(c[:end]) {
			r.parent = string(c[:end])
		}
	}
}

// traceParent reports whether b is a valid traceparent of W3C Trace Context.
func traceParent(b []byte) bool {
	if len(b) < 55 || len(b) > 64 || b[2] != '-' || b[35] != '-' || b[52] != '-' || len(b) > 55 && b[55] != '-' {
		return false
	}
	if string(b[:2]) == "ff" || len(b) > 55 && string(b[:2]) == "00" {
		return false
	}
	for i, c := range b[:55] {
		if i != 2 && i != 35 && i != 52 && !digit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return !zeros(b[3:35]) && !zeros(b[36:52])
}

func zeros(b []byte) bool { return len(bytes.Trim(b, "0")) == 0 }

func nameByte(c byte) bool { return letter(c) || c == '_' || c >= 0x80 }

func lineEnd(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i
	}
	return len(b)
}

// commentEnd returns the length of a comment, which may hold others.
func commentEnd(b []byte) int {
	depth := 0
	for i := 0; i+1 < len(b); i++ {
		switch {
		case b[i] == '/' && b[i+1] == '*':
			depth++
			i++
		case b[i] == '*' && b[i+1] == '/':
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// quotedEnd returns the length of a quoted string; a doubled quote belongs to it.
func quotedEnd(b []byte, quote byte, escapes bool) int {
	for i := 1; i < len(b); i++ {
		switch {
		case escapes && b[i] == '\\':
			i++
		case b[i] == quote && i+1 < len(b) && b[i+1] == quote:
			i++
		case b[i] == quote:
			return i + 1
		}
	}
	return len(b)
}

// dollarTag returns the length of the opening $tag$, or 0.
func dollarTag(b []byte) int {
	for i := 1; i < len(b); i++ {
		if b[i] == '$' {
			return i + 1
		}
		if !nameByte(b[i]) && !digit(b[i]) {
			return 0
		}
	}
	return 0
}

func dollarEnd(b []byte) int {
	n := dollarTag(b)
	if i := bytes.Index(b[n:], b[:n]); i >= 0 {
		return n + i + n
	}
	return len(b)
}

func numberEnd(b []byte) int {
	n := 0
	for n < len(b) && (digit(b[n]) || letter(b[n]) || b[n] == '.' || b[n] == '_') {
		n++
	}
	return max(n, 1)
}
