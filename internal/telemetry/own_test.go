package telemetry

import "testing"

// TestOwnKeys finds attributes of resources in segments, also beside keys that are no text.
func TestOwnKeys(t *testing.T) {
	s := reopen(t, newMemoryDisk())
	spans := call(1, noon)
	for i := range spans {
		spans[i].Resource = []Attr{{"service.name", spans[i].Service}, {"😀", "yes"}, {"\xff", "v"}}
	}
	if err := s.AddSpans(spans); err != nil {
		t.Fatal(err)
	}
	settle(t, s, true)
	for _, filter := range []string{"\"😀\"=yes", "\"\uFFFD\"=v"} {
		page, err := s.Search(t.Context(), Query{Filter: filter})
		if err != nil || len(page.Traces) != 1 {
			t.Errorf("%s finds %d traces, %v", filter, len(page.Traces), err)
		}
	}
}
