package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// databases is how many numbered databases are kept, as many as a Redis has.
const databases = 16

// key is one key of the data set. Values are bytes, for Redis strings need not be text. HyperLogLogs and
// consumer groups of streams are not kept: miniredis does not show them.
type key struct {
	DB      int       `json:"db"`
	Name    []byte    `json:"key"`
	Type    string    `json:"type"`
	Values  [][]byte  `json:"values"`           // string: 1; hash: field, value, …; stream: see IDs
	Scores  []float64 `json:"scores,omitempty"` // zset, beside Values
	IDs     []entry   `json:"ids,omitempty"`    // stream: each entry takes Fields of Values
	Expires time.Time `json:"expires,omitzero"`
}

// entry is one message of a stream.
type entry struct {
	ID     string `json:"id"`
	Fields int    `json:"fields"`
}

// saveRedis writes the whole data set to file, and returns its checksum.
func saveRedis(m *miniredis.Miniredis, file string) (sum uint32, err error) {
	keys := []key{}
	now := time.Now()
	for n := range databases {
		db := m.DB(n)
		for _, name := range db.Keys() {
			k := key{DB: n, Name: []byte(name), Type: db.Type(name)}
			if err := k.read(db, name); err != nil {
				continue // it was deleted meanwhile, or is of a type that is not kept
			}
			if ttl := db.TTL(name); ttl > 0 {
				k.Expires = now.Add(ttl)
			}
			keys = append(keys, k)
		}
	}
	b, err := json.Marshal(keys)
	if err != nil {
		return 0, err
	}
	return crc32.ChecksumIEEE(b), replaceFile(file, b)
}

// sumOf is the checksum of a file, 0 where it cannot be read.
func sumOf(file string) uint32 {
	b, _ := os.ReadFile(file)
	return crc32.ChecksumIEEE(b)
}

// loadRedis reads the data set from file, without what expired meanwhile, and returns how many keys. A
// file that cannot be read is put aside: a broken cache must not stop a stack.
func loadRedis(m *miniredis.Miniredis, file string) (int, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var keys []key
	if err := json.Unmarshal(b, &keys); err != nil {
		return 0, os.Rename(file, file+".corrupt")
	}
	n := 0
	for _, k := range keys {
		ttl := time.Until(k.Expires)
		if k.DB < 0 || k.DB >= databases || !k.Expires.IsZero() && ttl <= 0 {
			continue
		}
		db, name := m.DB(k.DB), string(k.Name)
		if err := k.write(db, name); err != nil {
			return n, fmt.Errorf("load key %q: %w", name, err)
		}
		if !k.Expires.IsZero() {
			db.SetTTL(name, ttl)
		}
		n++
	}
	return n, nil
}

// read fills k with the value of a key.
func (k *key) read(db *miniredis.RedisDB, name string) error {
	switch k.Type {
	case "string":
		v, err := db.Get(name)
		k.Values = encode(v)
		return err
	case "list":
		v, err := db.List(name)
		k.Values = encode(v...)
		return err
	case "set":
		v, err := db.Members(name)
		k.Values = encode(v...)
		return err
	case "hash":
		fields, err := db.HKeys(name)
		for _, f := range fields {
			k.Values = append(k.Values, []byte(f), []byte(db.HGet(name, f)))
		}
		return err
	case "zset":
		scores, err := db.SortedSet(name)
		for _, member := range slices.Sorted(maps.Keys(scores)) {
			k.Values, k.Scores = append(k.Values, []byte(member)), append(k.Scores, scores[member])
		}
		return err
	case "stream":
		entries, err := db.Stream(name)
		for _, e := range entries {
			k.Values = append(k.Values, encode(e.Values...)...)
			k.IDs = append(k.IDs, entry{e.ID, len(e.Values)})
		}
		return err
	}
	return fmt.Errorf("type %s is not kept", k.Type)
}

// write sets a key to the value in k.
func (k *key) write(db *miniredis.RedisDB, name string) (err error) {
	values := decode(k.Values)
	switch k.Type {
	case "string":
		if len(values) != 1 {
			return errors.New("a string has one value")
		}
		return db.Set(name, values[0])
	case "list":
		_, err = db.Push(name, values...)
	case "set":
		_, err = db.SetAdd(name, values...)
	case "hash":
		db.HSet(name, values...)
	case "zset":
		for i := range min(len(values), len(k.Scores)) {
			if _, err = db.ZAdd(name, k.Scores[i], values[i]); err != nil {
				return err
			}
		}
	case "stream":
		for _, e := range k.IDs {
			if e.Fields < 0 || e.Fields > len(values) {
				return errors.New("a stream entry lacks fields")
			}
			if _, err = db.XAdd(name, e.ID, values[:e.Fields]); err != nil {
				return err
			}
			values = values[e.Fields:]
		}
	}
	return err
}

func encode(values ...string) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		out[i] = []byte(v)
	}
	return out
}

func decode(values [][]byte) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
