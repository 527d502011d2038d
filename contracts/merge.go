package contracts

import (
	"bytes"
	"fmt"
	"slices"
)

// Conflict is two interactions of one pact that share description and states, and say different things.
type Conflict struct {
	Edge string
	A, B Interaction // Origin says where each comes from
}

// String names the interaction, both sides and the first places where they differ.
func (c Conflict) String() string {
	text := fmt.Sprintf("%s %q is said twice and differs: %s, %s", c.Edge, c.A.Title(), origin(c.A), origin(c.B))
	for n, d := range differences(c.A, c.B) {
		if n == maxShown {
			return text + "\n  …"
		}
		text += "\n  " + d
	}
	return text
}

const maxShown = 8 // differences printed of one conflict

func origin(i Interaction) string {
	if i.Origin == "" {
		return "a file without a name"
	}
	return i.Origin
}

// Merge returns what a and b say together. Both are pacts of one edge. Where they contradict each other
// the result has a's side, and a Conflict tells of it.
func Merge(a, b Pact) (Pact, []Conflict) {
	var conflicts []Conflict
	at := make(map[string]int, len(a.Interactions))
	out := a
	out.Interactions = slices.Clone(a.Interactions)
	for n, i := range out.Interactions {
		at[i.Key()] = n
	}
	for _, i := range b.Interactions {
		n, there := at[i.Key()]
		switch {
		case !there:
			at[i.Key()] = len(out.Interactions)
			out.Interactions = append(out.Interactions, i)
		case !bytes.Equal(out.Interactions[n].Raw, i.Raw):
			conflicts = append(conflicts, Conflict{a.Edge(), out.Interactions[n], i})
		}
	}
	out.Metadata = together(a.Metadata, b.Metadata)
	out.Rest = together(a.Rest, b.Rest)
	slices.SortFunc(out.Interactions, inOrder)
	return out, conflicts
}

// together returns the entries of both; where both have a key, a's.
func together[V any](a, b map[string]V) map[string]V {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := make(map[string]V, len(a)+len(b))
	for _, m := range []map[string]V{b, a} {
		for key, v := range m {
			out[key] = v
		}
	}
	return out
}
