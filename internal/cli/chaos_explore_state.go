package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/contracts"
)

// explored is the file of a search that is not over.
type explored struct {
	Version int            `json:"version"`
	Search  string         `json:"search"` // fingerprint of what decides what is run
	Past    []explore.Past `json:"past"`
}

// fingerprint tells one search from another.
func (x *exploring) fingerprint() string {
	data, _ := json.Marshal([]any{string(x.plot.write("", "", "", nil)), x.o.edges, x.o.modes, x.o.seed, x.o.thorough, x.o.all})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// past returns the runs of the same search that was not over.
func (x *exploring) past() ([]explore.Past, error) {
	data, err := os.ReadFile(x.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read runs that were made: %w", err)
	}
	var was explored
	if json.Unmarshal(data, &was) != nil || was.Version != 1 || was.Search != x.fingerprint() {
		return nil, nil // it was another one
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
