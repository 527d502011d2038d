package chaos

import (
	"cmp"
	"fmt"
	"strings"

	"msctl.dev/msctl/internal/proxy"
)

// byStatement is what statements, commands and messages can be told apart by.
var byStatement = []string{"operation", "method", "op", "trace", "k", "first", "every"}

var databases = []string{"postgres", "redis"}

var queryError = Kind{
	Name:      "query-error",
	Doc:       "a statement of postgres or a command of redis fails, and its transaction with it; SQLite has no wire between, nothing acts on it",
	Layer:     Database,
	Match:     byStatement,
	Protocols: databases,
	Params: []Param{
		{Name: "code", Doc: "SQLSTATE of postgres, or first word of an error of redis (default 40001, or ERR)", Type: Text},
		{Name: "message", Doc: "what the error says", Type: Text, Default: "failed by a fault"},
	},
	Example: "orders:orders-db query-error=40001 match=insert*orders match.first=2",
	New: func(a Args) (proxy.Fault, error) {
		code := a.Text("code")
		if strings.ContainsFunc(code, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, wrong("write query-error=40001 or query-error=READONLY", "read query-error: code=%q", code)
		}
		message := strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(a.Text("message"))
		return askEach(a, strings.TrimSpace("query-error "+code), func(q *proxy.Request, _ uint64) (proxy.Action, bool) {
			state := cmp.Or(code, "ERR")
			if q.Protocol == "postgres" {
				state = cmp.Or(code, "40001")
			}
			return proxy.Action{Reply: &proxy.Reply{State: state, Text: message}}, true
		})
	},
}

var queryCut = Kind{
	Name:      "query-cut",
	Doc:       "the connection is reset before a statement or command arrives, or after it was done and before its answer, as with match=commit",
	Layer:     Database,
	Match:     byStatement,
	Protocols: databases,
	Params:    []Param{{Name: "when", Doc: "where", Type: Choice, Choices: []string{"after", "before"}, Default: "after"}},
	Example:   "orders:orders-db query-cut=after match=commit match.k=1",
	New: func(a Args) (proxy.Fault, error) {
		before := a.Text("when") == "before"
		return onRequests(a, "query-cut "+a.Text("when"), proxy.Action{Reset: before, Omit: !before})
	},
}

var queryDelay = Kind{
	Name:      "query-delay",
	Doc:       "a statement of postgres or a command of redis is held back, and what its connection sends behind it",
	Layer:     Database,
	Match:     byStatement,
	Protocols: databases,
	Params:    []Param{{Name: "time", Doc: "how long", Type: Duration, Required: true}},
	Example:   "users:users-cache query-delay=200ms match=get*",
	New: func(a Args) (proxy.Fault, error) {
		return onRequests(a, fmt.Sprintf("query-delay %v", a.Duration("time")), proxy.Action{Delay: a.Duration("time")})
	},
}

var slowRows = Kind{
	Name:      "slow-rows",
	Doc:       "each row of an answer of postgres takes longer",
	Layer:     Database,
	Match:     byStatement,
	Protocols: []string{"postgres"},
	Params:    []Param{{Name: "each", Doc: "how much longer", Type: Duration, Required: true}},
	Example:   "catalog:catalog-db slow-rows=20ms match=select*products",
	New: func(a Args) (proxy.Fault, error) {
		return onRequests(a, fmt.Sprintf("slow-rows %v", a.Duration("each")), proxy.Action{DelayRow: a.Duration("each")})
	},
}

var readOnly = Kind{
	Name:      "read-only",
	Doc:       "statements of postgres and commands of redis that write fail, as they do on a replica",
	Layer:     Database,
	Match:     byStatement,
	Protocols: databases,
	Example:   "orders:orders-db read-only for=10s",
	New: func(a Args) (proxy.Fault, error) {
		m, err := matcher(a)
		if err != nil {
			return nil, err
		}
		return &writes{request{"read-only", m, refuseWrite}}, nil
	},
}

// writes is a fault of what writes: nothing else is counted.
type writes struct{ request }

// Ask says what becomes of a statement.
func (w *writes) Ask(q *proxy.Request) (proxy.Action, bool) {
	if !writing[q.Protocol][q.Method] {
		return proxy.Action{}, false
	}
	return w.request.Ask(q)
}

func refuseWrite(q *proxy.Request, _ uint64) (proxy.Action, bool) {
	if q.Protocol == "redis" {
		return proxy.Action{Reply: &proxy.Reply{State: "READONLY", Text: "You can't write against a read only replica."}}, true
	}
	return proxy.Action{Reply: &proxy.Reply{State: "25006", Text: "cannot execute " + q.Method + " in a read-only transaction"}}, true
}

// writing is what a read-only server refuses.
var writing = map[string]map[string]bool{
	"postgres": wordSet(`INSERT UPDATE DELETE MERGE TRUNCATE CREATE ALTER DROP GRANT REVOKE COPY`),
	"redis": wordSet(`APPEND BITFIELD BITOP BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN COPY DECR DECRBY DEL EVAL
		EVALSHA EXPIRE EXPIREAT FCALL FLUSHALL FLUSHDB GEOADD GETDEL GETEX GETSET HDEL HINCRBY HINCRBYFLOAT HMSET HSET HSETNX
		INCR INCRBY INCRBYFLOAT LINSERT LMOVE LMPOP LPOP LPUSH LPUSHX LREM LSET LTRIM MOVE MSET MSETNX PERSIST PEXPIRE PEXPIREAT
		PFADD PFMERGE PSETEX RENAME RENAMENX RESTORE RPOP RPOPLPUSH RPUSH RPUSHX SADD SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE
		SINTERSTORE SMOVE SPOP SREM SUNIONSTORE UNLINK XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XREADGROUP XTRIM ZADD
		ZDIFFSTORE ZINCRBY ZINTERSTORE ZMPOP ZPOPMAX ZPOPMIN ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK
		ZREMRANGEBYSCORE ZUNIONSTORE`),
}

func wordSet(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}
