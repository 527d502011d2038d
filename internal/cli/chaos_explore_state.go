package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/contracts"
)

// explored is the file of a search that is not over.
type explored struct {
	Version int            `json:"version"`
	Search  string         `json:"search"` // fingerprint of what decides what is run
	Past    []explore.Past `json:"past"`
}

// fingerprint tells one search from another. It begins with the version of what is kept of a run.
func (x *exploring) fingerprint() string {
	data, _ := json.Marshal([]any{2, string(x.plot.write("", "", "", nil)), x.o.edges, x.o.modes, x.o.seed, x.o.thorough, x.o.all})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// places looks whether all can be written that the search is to write, and reads the runs that it made before.
func (x *exploring) places() (err error) {
	if x.o.output == "" {
		return nil // it keeps nothing
	}
	if x.kept, err = x.past(); err != nil {
		return err
	}
	if err := canFill(filepath.Dir(x.file)); err != nil {
		return usage("name another file", "write --state: %w", err)
	}
	if err := canWrite(x.absolute(x.o.output)); err != nil {
		return usage("name another file", "write --output: %w", err)
	}
	return nil
}

// past returns the runs of the same search that was not over. Those of another are to be replaced, and what is no file
// of runs is not.
func (x *exploring) past() ([]explore.Past, error) {
	data, err := os.ReadFile(x.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usage("name another file", "read --state: %w", err)
	}
	if len(data) == 0 {
		return nil, nil // there is nothing to lose
	}
	var was explored
	if json.Unmarshal(data, &was) != nil || was.Version != 1 || was.Search == "" {
		return nil, usage("name another file, or remove it", "read --state: %s does not hold the runs of a search", x.file)
	}
	if was.Search != x.fingerprint() {
		x.notice = fmt.Sprintf("%s has %s of another search: they are replaced", x.file, count(len(was.Past), "run"))
		return nil, nil
	}
	return was.Past, nil
}

// save keeps the runs that were made.
func (x *exploring) save(past []explore.Past) error {
	data, err := json.Marshal(explored{1, x.fingerprint(), past})
	if err == nil {
		err = contracts.Replace(x.file, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep the runs that were made: %w", err)
	}
	return nil
}

// forget ends what save began: the search is over.
func (x *exploring) forget() {
	_ = os.Remove(x.file) // it may not be there
}
