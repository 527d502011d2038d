package experiment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Report writes journal.json, junit.xml, report.md and report.html into a folder, which is made where it is not
// there. mask hides what must not be shown; it is given every text before it is written in any form.
func Report(dir string, j *Journal, mask func(string) string) error {
	shown, err := masked(j, mask)
	if err != nil {
		return err
	}
	forms := []struct {
		name  string
		write func() ([]byte, error)
	}{
		{"journal.json", func() ([]byte, error) { return json.MarshalIndent(shown, "", "  ") }},
		{"junit.xml", shown.JUnit},
		{"report.md", func() ([]byte, error) { return []byte(shown.Markdown()), nil }},
		{"report.html", shown.HTML},
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for _, f := range forms {
		text, err := f.write()
		if err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), text, 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// masked is a copy of a journal with every text masked. Its JSON is one text, in which secrets are looked for in
// the form that JSON gives them too.
func masked(j *Journal, mask func(string) string) (*Journal, error) {
	data, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // a seed has more digits than a float64
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	if data, err = json.Marshal(maskedValue(v, mask)); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	out := &Journal{}
	if err := json.Unmarshal(data, out); err != nil {
		return nil, fmt.Errorf("mask report: %w", err)
	}
	return out, nil
}

func maskedValue(v any, mask func(string) string) any {
	switch v := v.(type) {
	case string:
		return mask(v)
	case []any:
		for i := range v {
			v[i] = maskedValue(v[i], mask)
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, one := range v {
			out[mask(key)] = maskedValue(one, mask)
		}
		return out
	}
	return v
}

func sorted(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
