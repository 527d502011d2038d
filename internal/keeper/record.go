package keeper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// Record is what is known of one run, kept beside it on disk: enough for the next supervisor to adopt it
// and to learn how it ended.
type Record struct {
	Protocol int
	Unit     string
	Hash     string
	Keeper   Identity
	Leader   Identity
	Started  time.Time
	Restarts int
	After    uint64 // number of the last line in the log that is not of this run
	Grace    time.Duration
	Exit     *Exit `json:",omitempty"` // nil while it runs
}

// Exit is how a run ended, when nothing of its tree was left.
type Exit struct {
	Code   int
	Signal string `json:",omitempty"` // "KILL"
	OOM    bool   `json:",omitempty"`
	Asked  bool   `json:",omitempty"`
	Killed int    `json:",omitempty"` // processes that outlived the grace
	At     time.Time
}

// ErrCorrupt says that a record's file is not what a keeper wrote.
var ErrCorrupt = errors.New("record is corrupt")

const maxRecord = 64 << 10

// WriteRecord replaces the record at path in one step: whoever is killed meanwhile leaves the old one.
func WriteRecord(path string, r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	b = fmt.Appendf(b, "\ncrc32 %08x\n", crc32.ChecksumIEEE(b))
	hit("record-temp")
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		os.Remove(path + ".tmp")
		return fmt.Errorf("write record: %w", err)
	}
	hit("record-rename")
	if err := os.Rename(path+".tmp", path); err != nil {
		os.Remove(path + ".tmp")
		return fmt.Errorf("write record: %w", err)
	}
	hit("record-done")
	return nil
}

// ReadRecord reads what WriteRecord wrote. The error wraps fs.ErrNotExist or [ErrCorrupt].
func ReadRecord(path string) (Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	r, err := parseRecord(b)
	if err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	return r, nil
}

func parseRecord(b []byte) (Record, error) {
	body, sum, ok := bytes.Cut(b, []byte("\n"))
	if !ok || string(sum) != fmt.Sprintf("crc32 %08x\n", crc32.ChecksumIEEE(body)) {
		return Record{}, ErrCorrupt
	}
	var r Record
	if err := json.Unmarshal(body, &r); err != nil {
		return Record{}, ErrCorrupt
	}
	return r, nil
}
