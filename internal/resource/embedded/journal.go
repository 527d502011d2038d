package embedded

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	redisserver "github.com/alicebob/miniredis/v2/server"
)

// journal writes down what each command leaves in the keys that it names, before the command is answered:
// a process that is killed loses nothing that it said, but of keys that are larger than stateMost. It holds
// what came after the last whole save.
//
// What is written is the key's state, not the command: times, scripts and random choices need not be
// repeated. A name is any argument that is one of a key before or after, of the calls of scripts too.
type journal struct {
	m    *miniredis.Miniredis
	dbs  [databases]*miniredis.RedisDB // asking m for one ages all keys, whose commands do so anyway
	dump string                        // the file of the whole save

	mu     sync.Mutex // guards what follows
	file   *os.File
	size   int64
	saves  int
	behind bool              // it lacks what only a whole save keeps
	kept   map[name]struct{} // that it speaks of

	peers sync.Map // *redisserver.Peer -> *caller

	script  sync.Mutex // held where scripts may run, whose calls are then known as those of running
	running *caller    // guarded by script
}

type name struct {
	db  int
	key string
}

const (
	journalMost = 1 << 20  // bytes, before a whole save takes its place; eight times as many do not wait for it
	stateMost   = 64 << 10 // bytes of one key's state; a larger one waits for the whole save
)

// heading is the first line of a journal. One that does not belong to the whole save beside it is older:
// the process was killed before it could empty it.
type heading struct {
	After *uint32 `json:"after"` // checksum of the whole save
}

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
	return j, n + more, err
}

// replay takes over what the journal says, as far as it was written, and returns how many keys it adds.
func (j *journal) replay() (more int, err error) {
	lines := bufio.NewReader(j.file)
	for {
		line, err := lines.ReadBytes('\n')
		var h heading
		if err == nil && json.Unmarshal(line, &h) == nil && h.After != nil {
			if sum := sumOf(j.dump); sum != 0 && sum != *h.After {
				return more, nil
			}
			continue
		}
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

// run runs a command, and notes what it left in the keys that it, its scripts and those queued before it name.
func (j *journal) run(p *redisserver.Peer, s *caller, argv []string) {
	j.mu.Lock()
	saves := j.saves
	j.mu.Unlock()
	for _, a := range s.queued {
		s.touched = append(s.touched, touch{a, j.dbs[s.db].Exists(a)})
	}
	j.dispatch(p, s, argv)
	if j.note(s, saves) {
		_ = j.save() // what is still behind then is said by tidy
	}
}

func (j *journal) dispatch(p *redisserver.Peer, s *caller, argv []string) {
	s.busy = true
	defer func() { s.busy = false }()
	if scripting[argv[0]] {
		j.script.Lock()
		defer j.script.Unlock()
		j.running = s
		defer func() { j.running = nil }()
	}
	j.m.Server().Dispatch(p, argv)
}

// note writes what a caller's command left in the names that it touched, unless a whole save is due at once.
// Saves is how many there were before: one that came since may hold what is gone by now.
func (j *journal) note(s *caller, saves int) (due bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.swept {
		j.behind = true
		return true
	}
	var out bytes.Buffer
	for _, t := range s.touched {
		if k, ok := j.state(name{s.db, t.key}, t.before || j.saves != saves); ok {
			b, err := json.Marshal(k)
			if err != nil || len(b) > stateMost {
				j.behind = true
				continue
			}
			out.Write(append(b, '\n'))
			j.kept[name{s.db, t.key}] = struct{}{}
		}
	}
	j.append(out.Bytes())
	return j.size > 8*journalMost
}

// append writes lines whole or not at all.
func (j *journal) append(b []byte) {
	n, err := j.file.Write(b)
	if err == nil {
		j.size += int64(n)
		return
	}
	j.behind = true
	_ = j.file.Truncate(j.size)
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

// save writes the whole data set, and begins an empty journal behind it.
func (j *journal) save() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.behind = false
	j.saves++
	sum, err := saveRedis(j.m, j.dump)
	if err == nil {
		err = j.file.Truncate(0)
	}
	if err != nil {
		j.behind = true
		return err
	}
	j.size, j.kept = 0, map[name]struct{}{}
	line, err := json.Marshal(heading{&sum})
	j.append(append(line, '\n'))
	return err
}

// close makes a last save, whatever the journal holds.
func (j *journal) close() error { return errors.Join(j.save(), j.file.Close()) }
