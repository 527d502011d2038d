package proxy

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// pgTalk is version 3 of the protocol of postgres. A statement that is to fail is made to fail in the
// server, by a name that it does not know, and the error is changed on its way back: so the server's
// transaction is in the state that the caller believes.
type pgTalk struct {
	know    sniff.Insight
	stmts   map[string]sniff.Statement // prepared since, by name
	portals map[string]sniff.Statement
	replies map[string]*Reply // by the name that the server does not know
	n       int

	hold []byte // of the callee's message
	skip int    // bytes of it that pass
}

// pgMark begins the names that the server does not know.
const pgMark = "msctl-fault-"

func (t *pgTalk) cut(b []byte) (int, error) {
	if len(b) < 5 {
		return 0, nil
	}
	n := int(int32(binary.BigEndian.Uint32(b[1:])))
	if n < 4 {
		return 0, errTalk
	}
	return n + 1, nil
}

var errTalk = fmt.Errorf("not a message")

func (t *pgTalk) describe(m []byte, q *Request) bool {
	body := m[5:]
	var st sniff.Statement
	switch m[0] {
	case 'Q':
		sql, _, _ := bytes.Cut(body, []byte{0})
		st = sniff.SQL(sql)
	case 'E':
		portal, _, _ := bytes.Cut(body, []byte{0})
		st = t.portals[string(portal)]
	default:
		t.note(m[0], body)
		return false
	}
	q.Method, q.Path, q.Name = st.Op, st.Text, cmp.Or(st.Name, "EXECUTE")
	if o, ok := parseTraceparent([]byte(st.TraceParent)); ok {
		q.Trace = o.trace
	}
	return true
}

// note keeps what a prepared statement or a portal is.
func (t *pgTalk) note(kind byte, body []byte) {
	if t.stmts == nil || len(t.stmts)+len(t.portals) > 1000 {
		t.stmts, t.portals = map[string]sniff.Statement{}, map[string]sniff.Statement{}
	}
	first, rest, _ := bytes.Cut(body, []byte{0})
	second, _, _ := bytes.Cut(rest, []byte{0})
	switch kind {
	case 'P':
		t.stmts[string(first)] = sniff.SQL(second)
	case 'B':
		st, ok := t.stmts[string(second)]
		if !ok {
			st, _ = t.know.Prepared(second)
		}
		t.portals[string(first)] = st
	case 'C':
		if len(first) > 0 && first[0] == 'S' {
			delete(t.stmts, string(first[1:]))
		}
	}
}

func (t *pgTalk) instead(m []byte, p *plan) (up, down []byte) {
	if p.Reply == nil {
		return m, nil
	}
	t.n++
	name := fmt.Sprintf("%s%d", pgMark, t.n)
	if t.replies == nil {
		t.replies = map[string]*Reply{}
	}
	t.replies[name] = p.Reply
	if m[0] == 'Q' {
		return pgMessage('Q', "EXECUTE \""+name+"\"\x00"), nil
	}
	return pgMessage('E', name+"\x00\x00\x00\x00\x00"), nil
}

// pgMessage frames a message.
func pgMessage(kind byte, body string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(b, body...)
}

func (t *pgTalk) down(b []byte, _ func(*Request) *plan) (out []byte, rows int) {
	b = append(t.hold, b...)
	t.hold = nil
	for len(b) > 0 {
		if t.skip > 0 {
			n := min(t.skip, len(b))
			out, b, t.skip = append(out, b[:n]...), b[n:], t.skip-n
			continue
		}
		n, err := t.cut(b)
		if err != nil {
			return append(out, b...), rows
		}
		if n == 0 || b[0] == 'E' && n <= maxTalk && n > len(b) {
			t.hold = b
			return out, rows
		}
		if b[0] == 'E' && n <= maxTalk {
			out, b = append(out, t.failed(b[:n])...), b[n:]
			continue
		}
		if b[0] == 'D' {
			rows++
		}
		t.skip = n
	}
	return out, rows
}

// failed returns what the caller gets of an error.
func (t *pgTalk) failed(m []byte) []byte {
	i := bytes.Index(m, []byte(pgMark))
	if i < 0 {
		return m
	}
	name := m[i:]
	if end := bytes.IndexAny(name, "\"\x00"); end > 0 {
		name = name[:end]
	}
	r := t.replies[string(name)]
	if r == nil {
		return m
	}
	delete(t.replies, string(name))
	text := cmp.Or(r.Text, "failed by a fault")
	return pgMessage('E', "SERROR\x00VERROR\x00C"+cmp.Or(r.State, "XX000")+"\x00M"+text+"\x00\x00")
}

// settled forgets the answers for statements that the server passed over: all that was said is answered.
func (t *pgTalk) settled() { clear(t.replies) }

func (t *pgTalk) rest() []byte { return t.hold }

func (t *pgTalk) resting() bool { return len(t.hold) == 0 && t.skip == 0 }
