package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"msctl.dev/msctl/contracts"
)

// Disk is a store in a folder: data.json, and each pact under its hash in pacts/. One process at a time may
// have it open; what is written is whole after any crash.
type Disk struct {
	dir  string
	lock *os.File

	mu   sync.RWMutex // guards data
	data Data
}

// OpenDisk opens the store in a folder, made where it is not there. Close it when done.
func OpenDisk(dir string) (*Disk, error) {
	if err := os.MkdirAll(filepath.Join(dir, "pacts"), 0o700); err != nil {
		return nil, fmt.Errorf("open broker: %w", err)
	}
	lock, err := hold(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open broker in %s: %w", dir, err)
	}
	d := &Disk{dir: dir, lock: lock}
	if err := d.load(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open broker in %s: %w", dir, err)
	}
	return d, nil
}

// hashForm keeps what a damaged index names from being a path.
var hashForm = regexp.MustCompile(`^[0-9a-f]{40}$`)

// load reads the index and the pacts that it names.
func (s *Disk) load() error {
	s.data.Contents = map[string]json.RawMessage{}
	index, err := os.ReadFile(filepath.Join(s.dir, "data.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(index, &s.data); err != nil {
		return fmt.Errorf("read data.json: %w", err)
	}
	for _, p := range s.data.Pacts {
		if !hashForm.MatchString(p.Hash) {
			return fmt.Errorf("read data.json: %q is no hash", p.Hash)
		}
		if s.data.Contents[p.Hash] != nil {
			continue
		}
		content, err := os.ReadFile(s.file(p.Hash))
		if err != nil {
			return err
		}
		s.data.Contents[p.Hash] = content
	}
	return nil
}

func (s *Disk) file(hash string) string { return filepath.Join(s.dir, "pacts", hash+".json") }

// Close gives the folder back.
func (s *Disk) Close() error { return s.lock.Close() }

// View implements [Store].
func (s *Disk) View(f func(*Data) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return f(&s.data)
}

// Update implements [Store]. It returns when what changed is on the disk.
func (s *Disk) Update(f func(*Data) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.data.clone()
	known := len(next.Pacts)
	if err := f(&next); err != nil {
		return err
	}
	for _, p := range next.Pacts[known:] {
		if err := replace(s.file(p.Hash), next.Contents[p.Hash]); err != nil {
			return err
		}
	}
	index, err := json.MarshalIndent(next, "", " ")
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(s.dir, "data.json"), index); err != nil {
		return err
	}
	s.data = next
	return nil
}

// replace writes a file whole, or leaves the old one.
func replace(file string, data []byte) error {
	if err := contracts.Replace(file, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(file), err)
	}
	return nil
}
