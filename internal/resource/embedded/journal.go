package embedded

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	redisserver "github.com/alicebob/miniredis/v2/server"
)

// journal writes down what each command leaves in the keys that it names, before the command is answered:
// a process that is killed loses nothing that it said. It holds what came after the last whole save.
//
// What is written is the key's state, not the command: times, scripts and random choices need not be
// repeated. A name is any argument that is one of a key before or after.
type journal struct {
	m    *miniredis.Miniredis
	dbs  [databases]*miniredis.RedisDB // asking m for one ages all keys, whose commands do so anyway
	dump string                        // the file of the whole save

	mu     sync.Mutex // guards what follows
	file   *os.File
	size   int64
	behind bool              // it lacks what only a whole save keeps
	kept   map[name]struct{} // that it speaks of

	peers sync.Map // *redisserver.Peer -> *caller
}

type name struct {
	db  int
	key string
}

// caller is one connection. It is used by that connection's goroutine alone.
type caller struct {
	db     int
	multi  bool
	queued []string // arguments between MULTI and EXEC
	busy   bool
}

const (
	journalMost = 1 << 20  // bytes, before a whole save takes its place
	stateMost   = 64 << 10 // bytes of one key's state; a larger one waits for the whole save
)

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

// openJournal loads the whole save and what the journal has beyond it, saves both as one, and returns an
// empty journal and how many keys there are.
func openJournal(m *miniredis.Miniredis, dump string) (*journal, int, error) {
	n, err := loadRedis(m, dump)
	if err != nil {
		return nil, n, err
	}
	file, err := os.OpenFile(dump+".log", os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, n, err
	}
	j := &journal{m: m, dump: dump, file: file, kept: map[name]struct{}{}}
	for i := range j.dbs {
		j.dbs[i] = m.DB(i)
	}
	more, err := j.replay()
	if err == nil {
		err = j.save()
	}
	if err != nil {
		file.Close()
	}
	j.behind = true // commands may come before the hook is in its place
	return j, n + more, err
}

// replay takes over what the journal says, as far as it was written, and returns how many keys it adds.
func (j *journal) replay() (more int, err error) {
	lines := bufio.NewReader(j.file)
	for {
		line, err := lines.ReadBytes('\n')
		var k key
		if err != nil || json.Unmarshal(line, &k) != nil || k.DB < 0 || k.DB >= databases {
			return more, nil // a torn end: nobody was answered
		}
		db, key := j.dbs[k.DB], string(k.Name)
		if db.Exists(key) {
			db.Del(key)
			more--
		}
		ttl := time.Until(k.Expires)
		if k.Type == "" || !k.Expires.IsZero() && ttl <= 0 || k.write(db, key) != nil {
			continue
		}
		if !k.Expires.IsZero() {
			db.SetTTL(key, ttl)
		}
		more++
	}
}

// hook runs a command and notes what it changed. It reports whether it ran it.
func (j *journal) hook(p *redisserver.Peer, command string, args ...string) bool {
	s := j.caller(p)
	if s == nil || s.busy || harmless[command] {
		return false
	}
	switch command {
	case "SELECT":
		if n, err := strconv.Atoi(first(args)); err == nil && n >= 0 && n < databases {
			s.db = n
		}
		return false
	case "MULTI", "DISCARD":
		s.multi, s.queued = command == "MULTI", nil
		return false
	case "EXEC":
		s.multi = false
	default:
		s.queued = append(s.queued, args...)
	}
	if s.multi {
		j.sweep(command)
		return false
	}
	j.run(p, s, append([]string{command}, args...))
	s.queued = nil
	return true
}

// run runs a command, and notes what it left in the keys that it and those queued before it name.
func (j *journal) run(p *redisserver.Peer, s *caller, argv []string) {
	db := j.dbs[s.db]
	var before []bool
	for _, a := range s.queued {
		before = append(before, db.Exists(a))
	}
	s.busy = true
	j.m.Server().Dispatch(p, argv)
	s.busy = false
	j.sweep(argv[0])
	j.mu.Lock()
	defer j.mu.Unlock()
	var out bytes.Buffer
	for i, a := range s.queued {
		if k, ok := j.state(name{s.db, a}, before[i]); ok {
			b, err := json.Marshal(k)
			if err != nil || len(b) > stateMost {
				j.behind = true
				continue
			}
			out.Write(append(b, '\n'))
			j.kept[name{s.db, a}] = struct{}{}
		}
	}
	n, err := j.file.Write(out.Bytes())
	if j.size += int64(n); err != nil {
		j.behind = true
	}
}

// state returns what is to be written of a name: the key that it is, or that it is none any more.
func (j *journal) state(n name, before bool) (key, bool) {
	db := j.dbs[n.db]
	k := key{DB: n.db, Name: []byte(n.key)}
	if !db.Exists(n.key) {
		_, told := j.kept[n]
		return k, before || told
	}
	k.Type = db.Type(n.key)
	if err := k.read(db, n.key); err != nil {
		j.behind = true // deleted meanwhile, or of a type that is not kept
		return k, false
	}
	if ttl := db.TTL(n.key); ttl > 0 {
		k.Expires = time.Now().Add(ttl)
	}
	return k, true
}

// caller returns that of a connection; nil for the calls of a script, whose names the script was given.
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

// sweep notes that only a whole save knows what a command changed.
func (j *journal) sweep(command string) {
	if !sweeping[command] {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.behind = true
}

// tidy makes a whole save where the journal is long or lacks something.
func (j *journal) tidy() error {
	j.mu.Lock()
	due := j.behind || j.size > journalMost
	j.mu.Unlock()
	if !due {
		return nil
	}
	return j.save()
}

// save writes the whole data set, and empties the journal.
func (j *journal) save() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.behind = false
	err := saveRedis(j.m, j.dump)
	if err == nil {
		err = j.file.Truncate(0)
	}
	if err != nil {
		j.behind = true
		return err
	}
	j.size, j.kept = 0, map[name]struct{}{}
	return nil
}

// close makes a last save, whatever the journal holds.
func (j *journal) close() error { return errors.Join(j.save(), j.file.Close()) }

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
