package traffic

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"msctl.dev/msctl/contracts"
)

// Finding is how a call stands to the pact of its edge.
type Finding string

// The findings.
const (
	Known     Finding = "known"     // an interaction is such a call, answered like that
	NoPact    Finding = "no-pact"   // the edge has no pact
	Operation Finding = "operation" // the pact does not know the operation
	Status    Finding = "status"    // the pact knows the operation, and no such answer of it
)

// Verdict is what pacts say of a call.
type Verdict struct {
	Finding      Finding
	Operation    string                  // what the pact calls it, its ids folded; "" it does not know it
	Interactions []contracts.Interaction // Known: those that it may be
	Answers      []string                // Status: the ones that the pact knows
}

// Book is pacts to look up calls in. It is safe for concurrent use.
type Book struct {
	pacts map[string][]entry // by edge
}

// entry is one interaction as calls are compared with it.
type entry struct {
	of        contracts.Interaction
	operation string         // as Call has it, ids folded
	method    string         // of HTTP
	segments  []segment      // of its path
	path      *regexp.Regexp // of its path, where the pact has one
	status    string
}

// segment is one part of a path. An example stands for any other.
type segment struct {
	text    string
	example bool
}

// NewBook reads pacts.
func NewBook(pacts []contracts.Pact) *Book {
	b := &Book{pacts: map[string][]entry{}}
	for _, p := range pacts {
		all := []entry{}
		for _, i := range p.Interactions {
			all = append(all, entryOf(i))
		}
		b.pacts[p.Edge()] = all
	}
	return b
}

func entryOf(i contracts.Interaction) entry {
	e := entry{of: i}
	switch i.Kind {
	case contracts.HTTP:
		e.method, e.status = strings.ToUpper(i.Request.Method), strconv.Itoa(i.Response.Status)
		e.segments, e.path = segmentsOf(i), pathOf(i.Request.Rules)
		e.operation = e.method + " " + e.folded(i.Request.Path)
	case contracts.Message:
		e.operation = i.Description
		if key, ok := i.Content.Metadata["routing_key"].(string); ok {
			e.operation = key
		}
	case contracts.Call:
		method, _ := i.Content.Metadata["grpc-method"].(string)
		if method == "" {
			method, _, _ = strings.Cut(i.Description, ":")
		}
		e.operation, e.status = strings.TrimPrefix(method, "/"), "OK"
		if len(i.Replies) > 0 {
			if status, ok := i.Replies[0].Metadata["grpc-status"].(string); ok {
				e.status = status
			}
		}
	}
	return e
}

// probes are what is tried in the place of a part of a path.
var probes = []string{"zq7", "7", "0b6cbd1e-32f5-4c5f-8f4e-7f5f3ad5f2a1", "ORD-00007"}

// folded is the path of an interaction with what stands for an id, or what its pattern leaves free, folded.
func (e *entry) folded(path string) string {
	parts := strings.Split(path, "/")
	out := slices.Clone(parts)
	for n, s := range e.segments {
		free := s.example
		if e.path != nil && s.text != "" {
			free = slices.ContainsFunc(probes, func(other string) bool {
				tried := slices.Clone(parts)
				tried[n] = other
				return e.path.MatchString(strings.Join(tried, "/"))
			})
		}
		if free {
			out[n] = folded
		}
	}
	return strings.Join(out, "/")
}

// segmentsOf reads a path: what a state's parameter says too, and what looks like an id, such as o-1, is an
// example. A version such as v1 is none.
func segmentsOf(i contracts.Interaction) []segment {
	var out []segment
	for _, text := range strings.Split(i.Request.Path, "/") {
		out = append(out, segment{text, text != "" && (parameter(i.States, text) || exampleForm.MatchString(text))})
	}
	return out
}

// exampleForm is a number, or a word with a number behind a dash.
var exampleForm = regexp.MustCompile(`^([0-9]+|.+[-_][0-9]+|[0-9a-fA-F-]{8,})$`)

// parameter reports a text that is the value of a state's parameter, at any depth of it.
func parameter(states []contracts.State, text string) bool {
	var within func(v any) bool
	within = func(v any) bool {
		switch v := v.(type) {
		case string:
			return v == text
		case json.Number:
			return v.String() == text
		case []any:
			return slices.ContainsFunc(v, within)
		case map[string]any:
			for _, one := range v {
				if within(one) {
					return true
				}
			}
		}
		return false
	}
	return slices.ContainsFunc(states, func(s contracts.State) bool { return within(s.Params) })
}

// pathOf returns the regular expression of a path, nil where the pact has none.
func pathOf(raw json.RawMessage) *regexp.Regexp {
	var rules struct {
		Path struct {
			Matchers []struct{ Match, Regex string }
		}
	}
	if len(raw) == 0 || json.Unmarshal(raw, &rules) != nil {
		return nil
	}
	for _, m := range rules.Path.Matchers {
		if m.Match == "regex" {
			if re, err := regexp.Compile("^(?:" + m.Regex + ")$"); err == nil { // the pact was checked to hold RE2
				return re
			}
		}
	}
	return nil
}

// fits reports whether an interaction is about the operation of a call.
func (e *entry) fits(c Call) bool {
	switch {
	case e.of.Kind != c.Kind:
		return false
	case c.Kind != contracts.HTTP:
		return e.operation == c.Operation
	case e.method != strings.ToUpper(c.Method):
		return false
	case e.path != nil:
		return e.path.MatchString(c.Path)
	}
	have := strings.Split(c.Path, "/")
	if len(have) != len(e.segments) {
		return false
	}
	for n, s := range e.segments {
		if s.text != have[n] && (!s.example || have[n] == "") {
			return false
		}
	}
	return true
}

// Judge looks up a call. Of several operations that its path may be, the most exact counts: /users/search
// goes before /users/{id}.
func (b *Book) Judge(c Call) Verdict {
	all, there := b.pacts[c.Edge()]
	if !there {
		return Verdict{Finding: NoPact}
	}
	var v Verdict
	most := 0
	for i := range all {
		if all[i].fits(c) {
			most = max(most, all[i].named())
		}
	}
	v.Finding = Operation
	for i := range all {
		e := &all[i]
		switch {
		case !e.fits(c) || e.named() < most:
			continue
		case e.status == c.Status:
			v.Finding, v.Interactions = Known, append(v.Interactions, e.of)
		default:
			if v.Finding == Operation {
				v.Finding = Status
			}
			if !slices.Contains(v.Answers, e.status) {
				v.Answers = append(v.Answers, e.status)
			}
		}
		if v.Operation == "" {
			v.Operation = e.operation
		}
	}
	if v.Finding == Known {
		v.Answers = nil
	}
	slices.Sort(v.Answers)
	return v
}

// named counts the words of the path that are no examples.
func (e *entry) named() int {
	n := 0
	for _, s := range e.segments {
		if !s.example {
			n++
		}
	}
	return n
}

// Interactions returns how many an edge's pact has.
func (b *Book) Interactions(edge string) int { return len(b.pacts[edge]) }
