package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEventMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"order.placed", "order.placed", true}, {"order.placed", "order.paid", false}, {"order.*", "order.placed", true},
		{"order.*", "order", false}, {"order.*", "order.a.b", false}, {"order.#", "order", true}, {"order.#", "order.a.b", true},
		{"#", "a.b", true}, {"#.b", "a.b", true}, {"#.b", "a.c", false}, {"*.b.#", "a.b", true}, {"order.placed", "order.placed.x", false},
	} {
		if got := EventMatches(c.pattern, c.key); got != c.want {
			t.Errorf("%s for %s: got %v", c.pattern, c.key, got)
		}
	}
}

// TestFlows draws who tells whom of what, and warns of a key that is nearly one that is published.
func TestFlows(t *testing.T) {
	dir := t.TempDir()
	const text = "version: 1\nname: shop\nservices:\n" +
		"  orders: {command: a, publishes: [order.placed, order.paid]}\n" +
		"  mail: {command: a, consumes: [\"order.*\"]}\n" +
		"  typo: {command: a, consumes: [order.payd, weather.changed]}\n"
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	st := mustLoad(t, LoadOptions{Dir: dir})
	if diff := cmp.Diff([]Flow{{"orders", "mail", []string{"order.placed", "order.paid"}}}, st.Flows()); diff != "" {
		t.Error(diff)
	}
	if len(st.Warnings) != 1 || !strings.Contains(st.Warnings[0].Msg, `"order.payd", which no service publishes`) {
		t.Errorf("got %v, want one warning", st.Warnings)
	}
	for format, want := range map[string]string{
		"text": "mail (tells order.placed, order.paid)", "mermaid": `-.->|"order.placed, order.paid"|`,
		"dot": `"orders" -> "mail" [label="order.placed, order.paid" style=dotted]`, "json": `"events":["order.placed","order.paid"]`,
	} {
		got, err := st.Graph(format)
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %v, lacks %s:\n%s", format, err, want, got)
		}
	}
	if one, other := *st.Service("mail"), *st.Service("mail"); true {
		if other.Consumes = nil; one.Hash() != other.Hash() {
			t.Error("what it consumes is a reason to start it anew")
		}
	}
}
