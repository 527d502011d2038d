// Package keeper is the small process that owns one run of a unit: its process tree, its log and its exit
// code. It outlives the supervisor that started it, so that a killed supervisor loses nothing, and whoever
// comes next adopts what runs.
//
// A keeper is started by the process driver as the leader of its own session, reads its Spec as JSON from
// standard input, and talks on file descriptor 3, one JSON [Message] a line. The other end of that socket
// is a lifeline: when it closes, an ephemeral unit ends. A keeper takes TERM as "stop politely", INT and
// USR1 as "kill now", and USR2 as "write your record again".
package keeper

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Protocol is the version of Spec, Message and Record. A keeper of another version is not adopted.
const Protocol = 1

// Names in the environment of the processes of a stack. Every process carries EnvStack and EnvUnit; the
// keeper alone EnvKeeper, so that a sweep without any state tells them apart and knows how long to wait.
const (
	EnvStack  = "MSCTL_STACK_ID"
	EnvUnit   = "MSCTL_UNIT"
	EnvKeeper = "MSCTL_KEEPER_GRACE"
)

// ExitBusy is the exit code of a keeper that found another one at work (EX_TEMPFAIL).
const ExitBusy = 75

// Spec is what a keeper runs.
type Spec struct {
	Protocol int
	Unit     string
	Hash     string // of what makes two runs equal
	RunDir   string // for the record and the lock
	LogDir   string

	Argv Exact
	Dir  string
	Env  Exact // complete, markers included
	User *User // nil is the keeper's own

	Signal    syscall.Signal // polite
	Grace     time.Duration
	Memory    int64   // bytes, 0 is no limit
	CPU       float64 // cores, 0 is no limit
	Stack     string  // marker value
	Ephemeral bool    // end when the lifeline closes
	Restarts  int
}

// Exact is text that keeps every byte on its way through JSON, also what is no UTF-8.
type Exact []string

// MarshalJSON writes the strings in base64.
func (e Exact) MarshalJSON() ([]byte, error) {
	b := make([][]byte, len(e))
	for i, s := range e {
		b[i] = []byte(s)
	}
	return json.Marshal(b)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *Exact) UnmarshalJSON(text []byte) error {
	var b [][]byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	*e = make(Exact, len(b))
	for i, s := range b {
		(*e)[i] = string(s)
	}
	return nil
}

// User is whom a unit runs as.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// Message is one line from a keeper to the supervisor that started it.
type Message struct {
	Started *Record `json:",omitempty"` // it runs
	Failed  string  `json:",omitempty"` // it cannot be started, and why; the keeper exits
	Short   bool    `json:",omitempty"` // with Failed: see [Short]
	Notice  string  `json:",omitempty"` // for the user
	Killed  int     `json:",omitempty"` // so many processes outlived the grace
	Ended   *Record `json:",omitempty"` // with its Exit, and nothing of the tree left
}

// Short reports an error for want of room, descriptors or memory, or of a disk: it may be gone at the next try.
func Short(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// RecordPath returns where the record of a unit is.
func RecordPath(runDir, unit string) string { return filepath.Join(runDir, unit+".json") }

func lockPath(runDir, unit string) string { return filepath.Join(runDir, unit+".lock") }

// lock takes the unit's lock, or reports that somebody has it. It is held until the process ends. A holder
// removes the file when it is done, so a lock on a removed file does not count.
func lock(path string) (held bool, err error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return false, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if err == syscall.EWOULDBLOCK {
				return false, nil
			}
			return false, err
		}
		if sameFile(f, path) {
			keep(f)
			return true, nil
		}
		f.Close()
	}
}

func sameFile(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(have, named)
}

// keep moves the descriptor out of the reach of f's finalizer: the lock lives as long as the process.
func keep(f *os.File) {
	if fd, err := syscall.Dup(int(f.Fd())); err == nil {
		syscall.CloseOnExec(fd)
	}
}
