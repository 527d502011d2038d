package contracts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Canonical returns the pact as a V4 file: keys and interactions sorted, two spaces of indent, without the
// versions of the libraries that wrote it. Two pacts that say the same are the same bytes.
func (p Pact) Canonical() []byte {
	top := map[string]any{}
	for key, v := range p.Rest {
		top[key] = v
	}
	list := make([]json.RawMessage, len(p.Interactions))
	for n, i := range slices.SortedFunc(slices.Values(p.Interactions), inOrder) {
		list[n] = i.Raw
	}
	metadata := map[string]any{"pactSpecification": map[string]string{"version": "4.0"}}
	for key, v := range p.Metadata {
		metadata[key] = v
	}
	top["consumer"] = map[string]string{"name": p.Consumer}
	top["provider"] = map[string]string{"name": p.Provider}
	top["interactions"] = list
	top["metadata"] = metadata
	body, err := compact(top)
	if err != nil {
		panic(fmt.Sprintf("pact %s is no JSON: %v", p.Edge(), err)) // every part was JSON when it was read
	}
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		panic(fmt.Sprintf("pact %s is no JSON: %v", p.Edge(), err))
	}
	return append(out.Bytes(), '\n')
}

// compact writes v as JSON in one line, with sorted keys and with <, > and & as they are.
func compact(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// withoutVersions keeps of a pact's metadata what says something about the contract.
func withoutVersions(metadata map[string]json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for key, v := range metadata {
		name := strings.ReplaceAll(strings.ToLower(key), "-", "")
		if !strings.HasPrefix(name, "pact") && name != "client" {
			out[key] = v
		}
	}
	return sorted(out)
}
