package traffic

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/route"
)

// Derive makes of each call of one edge that its pact does not know an interaction that is pending, one for
// each operation and answer, and returns them as a pact to merge. Ids in paths become examples with a
// pattern; where they could tell of a person or be a key, the example is made up. The error tells of calls
// that no pact may hold; the others are derived all the same.
func Derive(b *Book, consumer, provider string, calls []Call) (contracts.Pact, error) {
	out := contracts.Pact{Consumer: consumer, Provider: provider}
	seen := map[string]bool{}
	var errs []error
	for _, c := range calls {
		if c.Consumer != consumer || c.Provider != provider || b.Judge(c).Finding == Known || seen[c.String()] || wrong(c) {
			continue
		}
		seen[c.String()] = true
		one, err := pactOf(c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out, _ = contracts.Merge(out, one)
	}
	return out, errors.Join(errs...)
}

// wrong reports an answer that tells of trouble: it is no need of the consumer's.
func wrong(c Call) bool {
	if c.Kind == contracts.HTTP {
		return c.Status[0] == '5'
	}
	return slices.Contains([]string{"UNKNOWN", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "DATA_LOSS"}, c.Status)
}

// pactOf is a pact of one call, as it would be read from a file: what no pact may hold is refused.
func pactOf(c Call) (contracts.Pact, error) {
	body, err := json.Marshal(map[string]any{
		"consumer": map[string]string{"name": c.Consumer}, "provider": map[string]string{"name": c.Provider},
		"interactions": []any{interaction(c)}, "metadata": map[string]any{"pactSpecification": map[string]string{"version": "4.0"}},
	})
	if err != nil {
		return contracts.Pact{}, fmt.Errorf("write interaction: %w", err)
	}
	return contracts.Parse(body, contracts.Limits{})
}

// interaction is a call as Pact V4 writes it.
func interaction(c Call) map[string]any {
	out := map[string]any{"type": c.Kind, "description": c.String(), "pending": true, "comments": map[string]any{contracts.DerivedComment: derivedText}}
	empty := map[string]any{"content": map[string]any{}, "contentType": "application/json", "encoded": false}
	switch c.Kind {
	case contracts.HTTP:
		status, _ := strconv.Atoi(c.Status)
		out["request"], out["response"] = request(c), map[string]any{"status": status}
	case contracts.Call:
		out["request"] = map[string]any{"contents": empty,
			"metadata": map[string]any{"contentType": "application/json", "grpc-method": "/" + c.Operation}}
		out["response"] = []any{map[string]any{"metadata": map[string]any{"contentType": "application/json", "grpc-status": c.Status}}}
	case contracts.Message:
		out["contents"], out["metadata"] = empty, map[string]any{"contentType": "application/json", "routing_key": c.Operation}
	}
	return out
}

// derivedText says in the file what is missing.
const derivedText = "seen by msctl contract derive, which sees no bodies, headers or queries: add them, and the state that is needed"

// folded is what stands for an id in a template.
const folded = route.ID

// request is the line of a request, with a pattern where its path holds ids.
func request(c Call) map[string]any {
	path, words := strings.Split(c.Path, "/"), strings.Split(c.Template, "/")
	out := map[string]any{"method": c.Method}
	pattern := make([]string, len(path))
	for n := range path {
		pattern[n] = regexp.QuoteMeta(path[n])
		if n < len(words) && words[n] == folded {
			path[n], pattern[n] = example(path[n]), "[^/]+"
		}
	}
	out["path"] = strings.Join(path, "/")
	if slices.Contains(words, folded) && len(words) == len(path) {
		out["matchingRules"] = map[string]any{"path": map[string]any{"combine": "AND",
			"matchers": []any{map[string]any{"match": "regex", "regex": strings.Join(pattern, "/")}}}}
	}
	if c.Method != http.MethodGet && c.Method != http.MethodHead && c.Method != http.MethodDelete {
		out["headers"] = map[string]any{"Content-Type": []string{"application/json"}}
	}
	return out
}

// example keeps short ids, and replaces what could be a key or an address.
func example(id string) string {
	const most = 12 // a longer one may be a token
	if len(id) > most || strings.ContainsAny(id, "@%*") {
		return "example-1"
	}
	return id
}
