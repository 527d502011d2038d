package embedded

import (
	"strconv"

	redisserver "github.com/alicebob/miniredis/v2/server"
)

// caller is one connection. It is used by that connection's goroutine alone.
type caller struct {
	db      int
	astray  bool // db may be another: SELECT came between MULTI and EXEC
	multi   bool
	queued  []string // arguments between MULTI and EXEC
	touched []touch  // by the command that runs
	swept   bool     // that command, or one that is queued, changes keys which it does not name
	busy    bool
}

// touch is a name that a command may have changed.
type touch struct {
	key    string
	before bool // it was one of a key, as far as is known
}

// harmless are the usual commands that change nothing. One that is missing here costs a look at its keys.
var harmless = map[string]bool{
	"GET": true, "MGET": true, "EXISTS": true, "TTL": true, "PTTL": true, "TYPE": true, "STRLEN": true,
	"HGET": true, "HGETALL": true, "HMGET": true, "LRANGE": true, "LLEN": true, "SMEMBERS": true, "SISMEMBER": true,
	"ZRANGE": true, "ZSCORE": true, "ZCARD": true, "XRANGE": true, "XLEN": true, "SCAN": true, "KEYS": true,
	"PING": true, "ECHO": true, "HELLO": true, "AUTH": true, "CLIENT": true, "COMMAND": true, "INFO": true, "DBSIZE": true,
	"TIME": true, "PUBLISH": true, "SUBSCRIBE": true, "PSUBSCRIBE": true, "UNSUBSCRIBE": true, "WATCH": true,
	"UNWATCH": true, "QUIT": true,
}

// sweeping are the commands that change keys which they do not name.
var sweeping = map[string]bool{"FLUSHALL": true, "FLUSHDB": true, "SWAPDB": true, "MOVE": true, "COPY": true}

// scripting are the commands that may run scripts which write.
var scripting = map[string]bool{"EVAL": true, "EVALSHA": true, "EXEC": true}

// hook runs a command and notes what it changed. It reports whether it ran it.
func (j *journal) hook(p *redisserver.Peer, command string, args ...string) bool {
	s := j.caller(p)
	switch {
	case s == nil:
		j.called(command, args)
		return false
	case s.busy || harmless[command]:
		return false
	}
	s.swept = s.swept || s.astray || sweeping[command]
	switch command {
	case "SELECT":
		s.selects(first(args))
		return false
	case "DISCARD":
		s.multi, s.queued, s.swept = false, nil, false
		return false
	case "EXEC":
		s.multi = false
	case "MULTI":
		s.multi = true
		return false
	default:
		s.queued = append(s.queued, args...)
	}
	if s.multi {
		return false
	}
	j.run(p, s, append([]string{command}, args...))
	s.queued, s.touched, s.swept = nil, nil, false
	return true
}

// selects follows the connection to another database.
func (s *caller) selects(number string) {
	if n, err := strconv.Atoi(number); s.multi {
		s.astray, s.swept = true, true // whether it comes to that EXEC decides
	} else if err == nil && n >= 0 && n < databases {
		s.db, s.astray = n, false
	}
}

// called notes a call of the script that runs.
func (j *journal) called(command string, args []string) {
	s := j.running
	if s == nil || harmless[command] {
		return
	}
	s.swept = s.swept || sweeping[command] || command == "SELECT"
	for i, a := range args {
		s.touched = append(s.touched, touch{a, i == 0 || command == "DEL" || command == "UNLINK"})
	}
}

// caller returns that of a connection; nil for the calls of a script.
func (j *journal) caller(p *redisserver.Peer) *caller {
	if s, ok := j.peers.Load(p); ok {
		return s.(*caller)
	}
	if p.Ctx != nil {
		return nil
	}
	s := &caller{}
	j.peers.Store(p, s)
	p.OnDisconnect(func() { j.peers.Delete(p) })
	return s
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
