package contracts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// file is the top of a pact file of any version.
type file struct {
	Consumer     struct{ Name string }
	Provider     struct{ Name string }
	Interactions []map[string]any
	Messages     []map[string]any // V3
	Metadata     map[string]json.RawMessage
}

// Parse reads a pact of V2, V3 or V4. What it returns is V4. It refuses what is over a limit, names that
// could be paths, paths that are addresses, and regular expressions outside RE2.
func Parse(data []byte, limits Limits) (Pact, error) {
	limits = limits.defaults()
	p, err := parse(data, limits)
	if err != nil {
		return Pact{}, fmt.Errorf("parse pact: %w", err)
	}
	return p, nil
}

func parse(data []byte, limits Limits) (Pact, error) {
	if err := limits.scan(data); err != nil {
		return Pact{}, err
	}
	var f file
	if err := decode(data, &f); err != nil {
		return Pact{}, err
	}
	p := Pact{Consumer: f.Consumer.Name, Provider: f.Provider.Name, Rest: rest(data)}
	if err := limits.name("consumer", p.Consumer); err != nil {
		return Pact{}, err
	}
	if err := limits.name("provider", p.Provider); err != nil {
		return Pact{}, err
	}
	if n := len(f.Interactions) + len(f.Messages); n > limits.Interactions {
		return Pact{}, fmt.Errorf("%d interactions, more than %d", n, limits.Interactions)
	}
	old, err := f.older()
	if err != nil {
		return Pact{}, err
	}
	if old {
		f.upgrade()
	} else if len(f.Messages) > 0 {
		return Pact{}, errors.New("\"messages\" is of V3, and the file says that it is V4")
	}
	p.Metadata = withoutVersions(f.Metadata)
	p.Interactions, err = readAll(f.Interactions, limits)
	return p, err
}

// decode reads one JSON value with its numbers as they are written, and nothing behind it.
func decode(data []byte, into any) error {
	if len(data) == 0 {
		return errors.New("there is none")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("read JSON: something follows its end")
	}
	return nil
}

// rest returns the top-level keys that the package does not know.
func rest(data []byte) map[string]json.RawMessage {
	var all map[string]json.RawMessage
	if json.Unmarshal(data, &all) != nil {
		return nil
	}
	for key := range all {
		switch strings.ToLower(key) { // the decoder ignores case too
		case "consumer", "provider", "interactions", "messages", "metadata", "createdat", "_links":
			delete(all, key)
		}
	}
	return sorted(all)
}

// sorted returns m with the keys within each value sorted, or nil where it holds nothing.
func sorted(m map[string]json.RawMessage) map[string]json.RawMessage {
	var out map[string]json.RawMessage
	for key, raw := range m {
		var v any
		if decode(raw, &v) != nil {
			continue
		}
		body, err := compact(v)
		if err != nil {
			continue
		}
		if out == nil {
			out = map[string]json.RawMessage{}
		}
		out[key] = body
	}
	return out
}

// older reports whether the file is of a version before V4.
func (f *file) older() (bool, error) {
	var spec struct{ Version string }
	for _, key := range []string{"pactSpecification", "pact-specification"} {
		if raw, ok := f.Metadata[key]; ok {
			if err := json.Unmarshal(raw, &spec); err != nil {
				return false, fmt.Errorf("read the version of the specification: %w", err)
			}
		}
	}
	if raw, ok := f.Metadata["pactSpecificationVersion"]; ok && spec.Version == "" {
		if err := json.Unmarshal(raw, &spec.Version); err != nil {
			return false, fmt.Errorf("read the version of the specification: %w", err)
		}
	}
	major, _, _ := strings.Cut(spec.Version, ".")
	switch major {
	case "4":
		return false, nil
	case "", "1", "2", "3":
		return true, nil
	}
	return false, fmt.Errorf("specification %q is not known, 2 to 4 are", spec.Version)
}

// readAll reads V4 interactions, drops doubles and refuses two that share a key and differ.
func readAll(list []map[string]any, limits Limits) ([]Interaction, error) {
	seen := map[string]Interaction{}
	out := make([]Interaction, 0, len(list))
	for n, values := range list {
		i, err := read(values, limits)
		if err != nil {
			return nil, fmt.Errorf("interaction %d %s: %w", n+1, quoted(values["description"]), err)
		}
		before, twice := seen[i.Key()]
		if twice && !bytes.Equal(before.Raw, i.Raw) {
			return nil, fmt.Errorf("interaction %d %q: another one has that description and these states, and differs", n+1, i.Description)
		}
		if !twice {
			seen[i.Key()] = i
			out = append(out, i)
		}
	}
	slices.SortFunc(out, inOrder)
	return out, nil
}

func quoted(description any) string {
	text, _ := description.(string)
	return fmt.Sprintf("%.80q", text)
}
