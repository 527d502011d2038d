package verify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"msctl.dev/msctl/contracts/broker"
)

// published is what the verifier says of one pact.
type published struct {
	TestResults []struct {
		InteractionID string           `json:"interactionId"`
		Success       bool             `json:"success"`
		Mismatches    []map[string]any `json:"mismatches"`
		Exceptions    []struct {
			Message string `json:"message"`
		} `json:"exceptions"`
	} `json:"testResults"`
}

// take puts what the verifier said of one pact into the report.
func (w work) take(got broker.Result, r *Report) {
	var p published
	if json.Unmarshal(got.Body, &p) != nil {
		return // the results that are missing are told
	}
	for _, t := range p.TestResults {
		id := w.named[t.InteractionID]
		at, known := w.place[id]
		if !known {
			continue
		}
		res := &r.Results[at]
		res.Outcome = Holds
		for _, m := range t.Mismatches {
			res.Mismatches = append(res.Mismatches, mismatch(m))
		}
		for _, e := range t.Exceptions {
			res.Mismatches = append(res.Mismatches, Mismatch{Attribute: "verifier", Description: plain(e.Message)})
		}
		if !t.Success || len(res.Mismatches) > 0 {
			res.Outcome = Broken
		}
		if res.Outcome == Broken && w.list[id].Pending {
			res.Outcome = Pending
		}
	}
}

// blame puts what was seen on the way in the place of what the verifier made of it: what the machinery is
// to be blamed for is a failure.
func (w work) blame(t *turns, r *Report) {
	for id, at := range w.place {
		if err := t.fault(id); err != nil && r.Results[at].Outcome != "" {
			r.Results[at].Mismatches = []Mismatch{{Attribute: w.list[id].Kind.String(), Description: err.Error()}}
		}
		if err := t.why(id); err != nil {
			res := &r.Results[at]
			res.Outcome, res.Reason, res.Mismatches = Failed, err.Error(), nil
		}
	}
}

// follow says of what failed in a provider that breaks contracts too, that one change may have done both: the
// provider is put into its states, and made to publish, by way of its own interface as well.
func (r *Report) follow() {
	n := r.Count(Broken)
	for i := range r.Results {
		if one := &r.Results[i]; one.Outcome == Failed && one.Hint == "" && n > 0 {
			one.Hint = fmt.Sprintf("%s breaks its contracts too (%d broken): mend those first, this may fail of the same change", r.Provider, n)
		}
	}
}

// mismatch reads one mismatch in the words of the verifier.
func mismatch(m map[string]any) Mismatch {
	text := func(name string) string { s, _ := m[name].(string); return plain(s) }
	return Mismatch{
		Attribute:   text("attribute"),
		Identifier:  cmp.Or(text("identifier"), text("path")),
		Description: cmp.Or(text("description"), text("mismatch")),
	}
}

// escapes are the colours in the verifier's texts.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// plain removes colours.
func plain(s string) string { return strings.TrimSpace(escapes.ReplaceAllString(s, "")) }
