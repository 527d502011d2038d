package telemetry

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// versionOne is what the segments of version 1 in testdata hold.
func versionOne() (spans []Span, logs []Log) {
	c := newCorpus(1)
	for range 8 {
		spans = c.trace(spans)
	}
	spans = append(spans, call(1, noon)...)
	for i := range 20 {
		logs = append(logs, Log{Time: noon.Add(time.Duration(i) * time.Second), Service: "orders", Severity: Warn, Body: fmt.Sprint("line ", i),
			Trace: spans[0].Trace, Span: spans[0].ID, Attrs: []Attr{{"n", int64(i)}}})
	}
	return spans, logs
}

// TestVersionOne reads the segments that the first version wrote, beside those of today.
func TestVersionOne(t *testing.T) {
	d := newMemoryDisk()
	for _, name := range []string{"spans-00000001.seg", "logs-00000001.seg"} {
		b, err := os.ReadFile(filepath.Join("testdata", "v1", name))
		if err != nil {
			t.Fatal(err)
		}
		d.files["store/"+name] = &memoryFile{d, b}
	}
	s := reopen(t, d)
	spans, logs := versionOne()
	want := map[TraceID][]Span{}
	for _, sp := range spans {
		want[sp.Trace] = append(want[sp.Trace], sp)
	}
	for id, want := range want {
		slices.SortFunc(want, func(a, b Span) int { return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.ID[:], b.ID[:])) })
		got, err := s.Spans(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		compareSpans(t, got, want)
	}
	page, err := s.Logs(t.Context(), Query{Filter: "n>=10", Sort: "oldest"})
	if err != nil || len(page.Logs) != 10 || page.Logs[9].Body != logs[19].Body {
		t.Errorf("%+v, %v", page, err)
	}
}
