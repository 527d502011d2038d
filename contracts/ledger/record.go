package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/verify"
)

// ResultsDir is where a stack keeps, in git, the results that its environments rest on.
const ResultsDir = "contracts/results"

// form is changed when records of an older msctl say nothing any more.
const form = "1"

// Bounds of a folder of records.
const (
	maxRecord = 8 << 20 // bytes of one
	maxKept   = 50      // of one provider, in a folder of this machine
)

// Record is what is known of one content of one provider.
type Record struct {
	Form     string  `json:"form"`
	Provider string  `json:"provider"`
	Inputs   Inputs  `json:"inputs"`
	Sum      string  `json:"sum"` // of what was in the inputs
	Results  []Known `json:"results"`
}

// Known is what came of one interaction. It is true of every pact of that consumer which holds it.
type Known struct {
	Consumer    string            `json:"consumer"`
	Interaction string            `json:"interaction"`
	ID          string            `json:"id"` // of the interaction's content
	Outcome     verify.Outcome    `json:"outcome"`
	Mismatches  []verify.Mismatch `json:"mismatches,omitempty"`
}

func (r Record) fileName() string { return r.Provider + "-" + r.Sum[:min(16, len(r.Sum))] + ".json" }

// RecordOf keeps of a report what will be true wherever the provider is the same; nil where that is nothing.
func RecordOf(in Inputs, sum string, r verify.Report) *Record {
	rec := &Record{Form: form, Provider: r.Provider, Inputs: in, Sum: sum}
	for _, one := range r.Results {
		switch one.Outcome {
		case verify.Holds, verify.Broken, verify.Pending:
			rec.Results = append(rec.Results, Known{one.Consumer, one.Interaction, one.ID, one.Outcome, one.Mismatches})
		}
	}
	if r.Failure != "" || len(rec.Results) == 0 {
		return nil
	}
	return rec
}

// Keep adds what a record says to a folder. At most so many records of the provider stay there, the newest;
// 0 means all.
func Keep(dir string, rec Record, most int) error {
	file := filepath.Join(dir, rec.fileName())
	if old, err := loadRecord(file); err == nil && old.Sum == rec.Sum {
		rec = joined(old, rec)
	}
	slices.SortFunc(rec.Results, func(a, b Known) int {
		return cmp.Or(cmp.Compare(a.Consumer, b.Consumer), cmp.Compare(a.Interaction, b.Interaction), cmp.Compare(a.ID, b.ID))
	})
	body, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	body = append(body, '\n')
	if same, err := os.ReadFile(file); err == nil && bytes.Equal(same, body) {
		return nil
	}
	if err := contracts.Replace(file, body, 0o644); err != nil {
		return fmt.Errorf("keep results of %s: %w", rec.Provider, err)
	}
	if most > 0 {
		thin(dir, rec.Provider, most)
	}
	return nil
}

// thin removes the oldest records of a provider.
func thin(dir, provider string, most int) {
	type old struct {
		name string
		at   int64
	}
	var mine []old
	entries, _ := os.ReadDir(dir) // a folder that cannot be read is not thinned
	for _, e := range entries {
		of, _, _ := cutLast(strings.TrimSuffix(e.Name(), ".json"), "-")
		if fi, err := e.Info(); err == nil && of == provider {
			mine = append(mine, old{e.Name(), fi.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(mine, func(a, b old) int { return cmp.Compare(b.at, a.at) })
	for _, one := range mine[min(most, len(mine)):] {
		os.Remove(filepath.Join(dir, one.name))
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}

// loadRecords reads the records of a folder; one that is not there holds none. Files that are no records of
// this form say nothing.
func loadRecords(dir string) (map[string]Record, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	all := map[string]Record{}
	for _, e := range entries {
		if !e.Type().IsRegular() || filepath.Ext(e.Name()) != ".json" {
			continue
		}
		if rec, err := loadRecord(filepath.Join(dir, e.Name())); err == nil {
			all[e.Name()] = rec
		}
	}
	return all, nil
}

func loadRecord(file string) (Record, error) {
	fi, err := os.Stat(file)
	if err != nil {
		return Record{}, err
	}
	if fi.Size() > maxRecord {
		return Record{}, fmt.Errorf("%s is over %d bytes", file, maxRecord)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return Record{}, err
	}
	var rec Record
	if err := json.Unmarshal(body, &rec); err != nil {
		return Record{}, err
	}
	if rec.Form != form || filepath.Base(file) != rec.fileName() {
		return Record{}, fmt.Errorf("%s is no record", file)
	}
	return rec, nil
}
