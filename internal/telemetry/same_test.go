package telemetry

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// compareSpans compares spans, of which only the attributes may stand in another order. The resource is
// left out: it repeats the names of service and instance.
func compareSpans(t *testing.T, got, want []Span) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Span{}, "Resource"), cmpopts.EquateEmpty(), cmpopts.EquateNaNs(),
		cmpopts.SortSlices(func(a, b Attr) bool { return a.Key < b.Key })); d != "" {
		t.Errorf("spans differ (-want +got):\n%s", d)
	}
}
