package contracts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/contracts"
)

// made is a pact of shop:stock with interactions by description and status.
func made(t *testing.T, origin string, interactions ...string) contracts.Pact {
	t.Helper()
	var list []string
	for _, i := range interactions {
		name, status, _ := strings.Cut(i, " ")
		list = append(list, fmt.Sprintf(`{"type":"Synchronous/HTTP","description":%q,"providerStates":[{"name":"s","params":{"id":1}}],
			"request":{"method":"GET","path":"/"},"response":{"status":%s,"headers":{"X-A.b":["1"]}}}`, name, status))
	}
	p, err := contracts.Parse([]byte(`{"consumer":{"name":"shop"},"provider":{"name":"stock"},"interactions":[`+
		strings.Join(list, ",")+`],"metadata":{"pactSpecification":{"version":"4.0"}}}`), contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range p.Interactions {
		p.Interactions[n].Origin = origin
	}
	return p
}

// TestMerge joins what two say, in whichever order, and names both sides where they contradict each other.
func TestMerge(t *testing.T) {
	a, b := made(t, "one", "x 200", "y 200"), made(t, "two", "z 200", "y 200")
	ab, conflicts := contracts.Merge(a, b)
	ba, _ := contracts.Merge(b, a)
	if len(ab.Interactions) != 3 || len(conflicts) != 0 || ab.Hash() != ba.Hash() {
		t.Fatalf("merged %d, conflicts %v", len(ab.Interactions), conflicts)
	}
	_, conflicts = contracts.Merge(a, made(t, "two", "y 404"))
	if len(conflicts) != 1 {
		t.Fatalf("conflicts are %v", conflicts)
	}
	want := `shop:stock "y (given s)" is said twice and differs: one, two` + "\n  response.status: 404, was 200"
	if diff := cmp.Diff(want, conflicts[0].String()); diff != "" {
		t.Error(diff)
	}
}

// TestDiff names what was added, removed and changed, and where.
func TestDiff(t *testing.T) {
	got := contracts.Diff(made(t, "", "a 200", "b 200", "c 200"), made(t, "", "b 200", "c 201", "d 200"))
	var lines []string
	for _, c := range got {
		lines = append(lines, fmt.Sprintf("%s %s %s %v", c.Edge, c.What, c.Interaction.Description, c.Details))
	}
	want := []string{"shop:stock removed a []", "shop:stock changed c [response.status: 201, was 200]", "shop:stock added d []"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}
