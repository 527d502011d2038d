package proxy

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// redisTalk is RESP. A command that is to fail is one that the server does not know, and the error is changed
// on its way back: so answers stay in their order, and a transaction is given up as by any other error.
type redisTalk struct {
	replies map[string]*Reply
	n       int
	hold    []byte // the end of what came, where the name may go on
	args    [2][]byte
}

const redisMark = "msctl-fault-"

// cut reads an array of strings, or an inline command.
func (t *redisTalk) cut(b []byte) (int, error) {
	line, at := redisLine(b)
	if at == 0 {
		if len(b) > maxTalk {
			return 0, errTalk
		}
		return 0, nil
	}
	t.args = [2][]byte{}
	if len(line) == 0 || line[0] != '*' {
		for i, word := range bytes.SplitN(line, []byte(" "), 3) {
			if i < len(t.args) {
				t.args[i] = word
			}
		}
		return at, nil
	}
	count, err := strconv.Atoi(string(line[1:]))
	if err != nil {
		return 0, errTalk
	}
	for i := range count {
		line, n := redisLine(b[at:])
		if n == 0 {
			return 0, nil
		}
		size, err := strconv.Atoi(string(bytes.TrimPrefix(line, []byte("$"))))
		if err != nil || size < 0 {
			return 0, errTalk
		}
		if at += n + size + 2; at > len(b) {
			if i == count-1 && at > maxTalk {
				return at, nil // only the end of it is missing
			}
			if at > 4*maxTalk {
				return 0, errTalk
			}
			return 0, nil
		}
		if i < len(t.args) {
			t.args[i] = b[at-size-2 : at-2]
		}
	}
	return at, nil
}

// redisLine returns the first line without its end, and its size with it; 0 where it is not all there.
func redisLine(b []byte) ([]byte, int) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, 0
	}
	return bytes.TrimSuffix(b[:i], []byte("\r")), i + 1
}

func (t *redisTalk) describe(_ []byte, q *Request) bool {
	if len(t.args[0]) == 0 {
		return false
	}
	q.Method = strings.ToUpper(string(t.args[0]))
	q.Path = strings.TrimSuffix(q.Method+" "+string(t.args[1]), " ")
	q.Name = sniff.RedisName(t.args[0], t.args[1])
	return true
}

func (t *redisTalk) instead(m []byte, p *plan) (up, down []byte) {
	if p.Reply == nil {
		return m, nil
	}
	t.n++
	name := fmt.Sprintf("%s%d", redisMark, t.n)
	if t.replies == nil {
		t.replies = map[string]*Reply{}
	}
	t.replies[name] = p.Reply
	return fmt.Appendf(nil, "*1\r\n$%d\r\n%s\r\n", len(name), name), nil
}

// down looks for the errors of names that the server does not know. It looks at nothing where there is none.
func (t *redisTalk) down(b []byte, _ func(*Request) *plan) (out []byte, rows int) {
	if len(t.replies) == 0 && len(t.hold) == 0 {
		return b, 0
	}
	b = append(t.hold, b...)
	t.hold = nil
	for len(t.replies) > 0 {
		i := bytes.Index(b, []byte("-ERR unknown command"))
		if i < 0 {
			break
		}
		line, n := redisLine(b[i:])
		if n == 0 {
			t.hold = append(t.hold, b[i:]...)
			return append(out, b[:i]...), 0
		}
		out = append(append(out, b[:i]...), t.failed(line)...)
		b = b[i+n:]
	}
	if end := bytes.LastIndexByte(b, '\n') + 1; len(t.replies) > 0 && end < len(b) && b[end] == '-' {
		t.hold = append(t.hold, b[end:]...)
		b = b[:end]
	}
	return append(out, b...), 0
}

// failed returns what the caller gets of an error, with the end of its line.
func (t *redisTalk) failed(line []byte) []byte {
	if i := bytes.Index(line, []byte(redisMark)); i >= 0 {
		name := line[i:]
		if end := bytes.IndexAny(name, "'`,"); end > 0 {
			name = name[:end]
		}
		if r := t.replies[string(name)]; r != nil {
			delete(t.replies, string(name))
			return []byte("-" + cmp.Or(r.State, "ERR") + " " + cmp.Or(r.Text, "failed by a fault") + "\r\n")
		}
	}
	return append(append([]byte(nil), line...), "\r\n"...)
}

func (t *redisTalk) rest() []byte { return t.hold }

func (t *redisTalk) resting() bool { return len(t.hold) == 0 && len(t.replies) == 0 }
