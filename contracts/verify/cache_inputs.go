package verify

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Inputs returns the absolute paths of the files that the kept report of a provider rests on; none where there
// is no report.
func (c Cache) Inputs(provider string) Inputs {
	data, err := os.ReadFile(filepath.Join(c.Dir, provider+".json"))
	var e entry
	if err != nil || json.Unmarshal(data, &e) != nil {
		return nil
	}
	var in Inputs
	for _, rel := range e.Inputs {
		in = append(in, filepath.Join(c.Root, filepath.FromSlash(rel)))
	}
	return in
}
