package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// write makes the log of a unit with lines at these seconds.
func write(t *testing.T, dir, unit string, seconds ...int) {
	t.Helper()
	w, err := output.Open(filepath.Join(dir, unit), output.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seconds {
		if err := w.Append(time.Unix(int64(s), 0), output.Stdout, fmt.Appendf(nil, "at %d", s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHistoryMergesByTime(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a", 1, 4, 5, 9)
	write(t, dir, "b", 2, 3, 7)
	var got bytes.Buffer
	v := newLogView(&got, dir, &format{names: []string{"a", "b"}})
	next, err := v.history(t.Context(), []string{"a", "b", "none"}, output.Query{}, -1)
	if err != nil {
		t.Fatal(err)
	}
	want := "a │ at 1\nb │ at 2\nb │ at 3\na │ at 4\na │ at 5\nb │ at 7\na │ at 9\n"
	if diff := cmp.Diff(got.String(), want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(next, map[string]uint64{"a": 5, "b": 4}); diff != "" {
		t.Errorf("goes on with (-got +want):\n%s", diff)
	}
}

// TestViewReadsToTheEnd shows that lines which were printed before the end are shown, each once.
func TestViewReadsToTheEnd(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a", 1, 2)
	var got bytes.Buffer
	v := newLogView(&got, dir, &format{alone: true})
	live, end := context.WithCancel(t.Context())
	end() // over before anything was followed
	v.add(t.Context(), live, "a", output.Query{})
	v.end()
	if err := v.print(); err != nil {
		t.Fatal(err)
	}
	if want := "at 1\nat 2\n"; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

func TestMergeOfBlocks(t *testing.T) {
	v := newLogView(nil, "", &format{alone: true})
	line := func(s int) output.Line { return output.Line{At: time.Unix(int64(s), 0), Text: fmt.Append(nil, s)} }
	var got bytes.Buffer
	err := merge(&got, []block{
		v.block("a", []output.Line{line(1), line(4)}), v.block("b", []output.Line{line(2), line(3)}), v.block("a", []output.Line{line(5)}),
	})
	if want := "1\n2\n3\n4\n5\n"; err != nil || got.String() != want {
		t.Errorf("got %q, %v, want %q", got.String(), err, want)
	}
}

// TestTablesFit shows every table within its screen, whatever the names.
func TestTablesFit(t *testing.T) {
	units := []state.Unit{
		{Name: "a", Service: "a", Sort: state.Service, Phase: state.Ready, URL: "http://127.0.0.1:8080", Backing: "go", CPU: 12.5, Memory: 4 << 30},
		{Name: strings.Repeat("long-", 12), Phase: state.Looping, Reason: strings.Repeat("because ", 30), Backing: "container postgres:17"},
		{Name: "db", Sort: state.Resource, Phase: state.Ready, Backing: "container registry.example/postgres:17",
			URL: "postgres://orders@127.0.0.1:54321/orders?sslmode=disable"},
	}
	for _, width := range []int{20, 40, 49, 80, 100, 120, 200} {
		for name, draw := range map[string]func(screen){
			"ps": func(s screen) { psTable(s, units, time.Now()) },
			"banner": func(s screen) {
				banner(s, state.Snapshot{Stack: "shop", Units: units}, time.Second, (&App{}).keys(detachedKeys))
			},
		} {
			var b bytes.Buffer
			draw(screen{Writer: &b, width: width})
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%s at %d: a line of %d: %s", name, width, n, line)
				}
			}
		}
	}
}

// TestPipesGetWholeTables shows that COLUMNS, which a shell may export, cuts nothing for a pipe.
func TestPipesGetWholeTables(t *testing.T) {
	var b bytes.Buffer
	a := &App{Getenv: func(name string) string { return map[string]string{"COLUMNS": "40"}[name] }}
	url := "postgres://orders@127.0.0.1:54321/orders?sslmode=disable"
	units := []state.Unit{{Name: "orders-db", Sort: state.Resource, Phase: state.Ready, Backing: "container registry.example/postgres:17", URL: url}}
	psTable(a.screenOf(&b), units, time.Now())
	banner(a.screenOf(&b), state.Snapshot{Stack: "shop", Units: units}, time.Second, (&App{}).keys(detachedKeys))
	if got := b.String(); strings.Count(got, url) != 2 || strings.Contains(got, "…") {
		t.Errorf("got:\n%s", got)
	}
}

// TestBannerIsOneScreen shows trouble first where not all units have room.
func TestBannerIsOneScreen(t *testing.T) {
	var units []state.Unit
	for i := range 500 {
		units = append(units, state.Unit{Name: fmt.Sprintf("s%d", i), Sort: state.Service, Phase: state.Ready})
	}
	units[321].Phase, units[321].Reason = state.Failed, "no luck"
	var b bytes.Buffer
	banner(screen{Writer: &b, width: 80, height: 24}, state.Snapshot{Stack: "many", Units: units}, time.Second, (&App{}).keys(detachedKeys))
	if n := strings.Count(b.String(), "\n"); n > 24 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(b.String(), "no luck") || !strings.Contains(b.String(), "and 484 more") {
		t.Errorf("got:\n%s", b.String())
	}
}

func TestSettled(t *testing.T) {
	unit := func(name string, p state.Phase, waits ...string) state.Unit {
		return state.Unit{Name: name, Phase: p, WaitsFor: waits}
	}
	for name, c := range map[string]struct {
		units   []state.Unit
		patient bool
		want    bool
	}{
		"nothing":             {nil, false, false},
		"all up":              {[]state.Unit{unit("a", state.Ready), unit("b", state.Done), unit("c", state.Skipped)}, false, true},
		"one starts":          {[]state.Unit{unit("a", state.Ready), unit("b", state.Starting)}, false, false},
		"one loops":           {[]state.Unit{unit("a", state.Looping)}, false, true},
		"one loops, patient":  {[]state.Unit{unit("a", state.Looping)}, true, false},
		"waits for a failure": {[]state.Unit{unit("a", state.Failed), unit("b", state.Pending, "a"), unit("c", state.Pending, "b")}, false, true},
		"waits for a start":   {[]state.Unit{unit("a", state.Starting), unit("b", state.Pending, "a")}, false, false},
	} {
		w := &ascent{patient: c.patient, last: state.Snapshot{Units: c.units}}
		if got := w.settled(); got != c.want {
			t.Errorf("%s: got %t, want %t", name, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	for given, want := range map[string]string{"ordrs": "orders", "gatway": "gateway", "xyz": "", "payment": "payments"} {
		if got := nearest(given, []string{"orders", "gateway", "payments"}); got != want {
			t.Errorf("%s: got %q, want %q", given, got, want)
		}
	}
}

// TestDoctorSaysACauseOnce is a registry that refuses every image with one long error.
func TestDoctorSaysACauseOnce(t *testing.T) {
	cause := errors.New("dial tcp: lookup registry.example: no such host")
	p := &patient{machine: resource.Machine{Fetch: func(image string) error {
		return fmt.Errorf("image %s is not here and cannot be had: %w", image, cause)
	}}, stack: &stack.Stack{Resources: []*stack.Resource{{Name: "a", Type: "redis"}, {Name: "b", Type: "postgres"}, {Name: "c", Type: "mongo"}}}}
	var b bytes.Buffer
	printFindings(screen{Writer: &b, width: 60}, examineResources(t.Context(), p))
	if n := strings.Count(strings.Join(strings.Fields(b.String()), " "), "no such host"); n != 1 {
		t.Errorf("said %d times:\n%s", n, b.String())
	}
	for line := range strings.Lines(b.String()) {
		if utf8.RuneCountInString(line) > 61 {
			t.Errorf("a line wraps: %s", line)
		}
	}
	if p.cure == "" {
		t.Error("nothing says what to do about postgres")
	}
}

// TestTracesAreShownOnce is a crash loop: its last lines are told once for each reason, and not at all
// where the unit's output is on the screen.
func TestTracesAreShownOnce(t *testing.T) {
	crash := func(phase state.Phase, reason string) state.Event {
		return state.Event{Kind: state.KindPhase, Text: "web " + reason, Unit: &state.Unit{
			Name: "web", Phase: phase, Reason: reason, LastLines: []string{"Traceback"}, NextTry: time.Now()}}
	}
	for name, c := range map[string]struct {
		events  []state.Event
		printed bool
		want    int
	}{
		"a loop":              {[]state.Event{crash(state.Looping, "exited with 3"), crash(state.Looping, "exited with 3"), crash(state.Failed, "exited with 3")}, false, 1},
		"two reasons":         {[]state.Event{crash(state.Looping, "exited with 3"), crash(state.Looping, "exited with 4")}, false, 2},
		"on the screen":       {[]state.Event{crash(state.Looping, "exited with 3")}, true, 0},
		"a build":             {[]state.Event{crash(state.Failed, "build web: x.go:1:1: undefined")}, true, 1},
		"without a time, yet": {[]state.Event{{Kind: state.KindPhase, Unit: &state.Unit{Name: "web", Phase: state.Looping, LastLines: []string{"Traceback"}}}}, false, 0},
	} {
		var b bytes.Buffer
		w := &ascent{liner: &liner{screen: screen{Writer: &b}}}
		if c.printed {
			w.printed = func(string) bool { return true }
		}
		for _, ev := range c.events {
			w.event(t.Context(), ev)
		}
		if got := strings.Count(b.String(), "Traceback"); got != c.want {
			t.Errorf("%s: shown %d times, want %d:\n%s", name, got, c.want, b.String())
		}
	}
}
