package contracts

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Change is one interaction that two versions of a pact do not share.
type Change struct {
	Edge        string
	Interaction Interaction // the newer side, where there is one
	What        What
	Details     []string // of Changed: "response.body.price: 9.99, was 10"
}

// What says how an interaction changed.
type What string

// The changes.
const (
	Added   What = "added"
	Removed What = "removed"
	Changed What = "changed"
)

// Diff returns what b says otherwise than a, in canonical order.
func Diff(a, b Pact) []Change {
	before := byKey(a)
	var out []Change
	for _, i := range b.Interactions {
		was, there := before[i.Key()]
		delete(before, i.Key())
		switch {
		case !there:
			out = append(out, Change{b.Edge(), i, Added, nil})
		case !bytes.Equal(was.Raw, i.Raw):
			out = append(out, Change{b.Edge(), i, Changed, differences(was, i)})
		}
	}
	for _, i := range before {
		out = append(out, Change{a.Edge(), i, Removed, nil})
	}
	slices.SortFunc(out, func(x, y Change) int { return inOrder(x.Interaction, y.Interaction) })
	return out
}

func byKey(p Pact) map[string]Interaction {
	out := make(map[string]Interaction, len(p.Interactions))
	for _, i := range p.Interactions {
		out[i.Key()] = i
	}
	return out
}

// differences lists the places where two interactions differ, sorted.
func differences(a, b Interaction) []string {
	var x, y any
	if decode(a.Raw, &x) != nil || decode(b.Raw, &y) != nil {
		return nil
	}
	var out []string
	compare("", x, y, &out)
	return out
}

func compare(path string, a, b any, out *[]string) {
	mapA, okA := a.(map[string]any)
	mapB, okB := b.(map[string]any)
	listA, isA := a.([]any)
	listB, isB := b.([]any)
	switch {
	case okA && okB:
		for _, key := range slices.Sorted(maps.Keys(together(mapA, mapB))) {
			compareAt(path+step(key), at(mapA, key), at(mapB, key), out)
		}
	case isA && isB:
		for n := range max(len(listA), len(listB)) {
			compareAt(path+"["+strconv.Itoa(n)+"]", atIndex(listA, n), atIndex(listB, n), out)
		}
	case !same(a, b):
		*out = append(*out, fmt.Sprintf("%s: %s, was %s", strings.TrimPrefix(path, "."), brief(b), brief(a)))
	}
}

// compareAt compares two places that may be absent.
func compareAt(path string, a, b *any, out *[]string) {
	name := strings.TrimPrefix(path, ".")
	switch {
	case a == nil:
		*out = append(*out, fmt.Sprintf("%s: added, %s", name, brief(*b)))
	case b == nil:
		*out = append(*out, fmt.Sprintf("%s: removed, was %s", name, brief(*a)))
	default:
		compare(path, *a, *b, out)
	}
}

func at(m map[string]any, key string) *any {
	if v, ok := m[key]; ok {
		return &v
	}
	return nil
}

func atIndex(list []any, n int) *any {
	if n < len(list) {
		return &list[n]
	}
	return nil
}

func step(key string) string {
	if strings.ContainsAny(key, ".[] ") {
		return "[" + strconv.Quote(key) + "]"
	}
	return "." + key
}

func same(a, b any) bool {
	x, errX := compact(a)
	y, errY := compact(b)
	return cmp.Or(errX, errY) == nil && bytes.Equal(x, y)
}

// brief shows a value in one short line.
func brief(v any) string {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const longest = 80
	if text := []rune(string(body)); len(text) > longest {
		return string(text[:longest]) + "…"
	}
	return string(body)
}
