package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/telemetry"
)

// TestExploreModes shows that every mode is a fault that the fleet takes, on each protocol that it is for.
func TestExploreModes(t *testing.T) {
	for _, proto := range []string{"http", "grpc", "postgres", "redis", "amqp", "nats"} {
		call := explore.Call{Edge: "a:b", Proto: proto}
		if proto == "amqp" || proto == "nats" {
			if modes := explore.ModesFor(call, explore.WayNames(false)); len(modes) > 0 {
				t.Errorf("%s: what is no message fails in %v", proto, modes)
			}
			call.Kind = "publish"
		}
		modes := explore.ModesFor(call, explore.WayNames(false))
		if len(modes) < 2 {
			t.Errorf("%s: %d modes", proto, len(modes))
		}
		for _, m := range modes {
			f := explore.Fault{Mode: m.Name, Edge: "a:b", Op: "GET /x", Nth: 2, Proto: proto}.State(newTraceID())
			if err := chaos.Check(f); err != nil {
				t.Errorf("%s on %s: %v", m.Name, proto, err)
			}
		}
	}
	if modes := explore.ModesFor(explore.Call{Edge: ":b", Proto: "http"}, explore.WayNames(false)); len(modes) > 0 {
		t.Errorf("the request itself fails in %v", modes)
	}
}

// TestExploreReplay writes the experiment of a set from the invariants of the fleet, and reads it.
func TestExploreReplay(t *testing.T) {
	file := filepath.Join("..", "..", "chaos", "invariants.yaml")
	p, err := readPlot(file, "invariants.yaml", `POST /v1/orders {"card": "tok_poor"}`, "gateway")
	if err != nil {
		t.Fatal(err)
	}
	trace := newTraceID()
	set := explore.Set{{Mode: "omit", Point: "payments Capture #1", Edge: "orders:payments", Op: "shop.v1.Payments/Capture", Nth: 1, Proto: "grpc"}}
	text := p.write("lost answer", "it breaks", trace, set)
	e, err := experiment.Parse("found.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	faults := e.Faulted()
	if len(faults) != 1 {
		t.Fatalf("%d faults\n%s", len(faults), text)
	}
	want := map[string]string{"trace": trace, "op": "shop.v1.Payments/Capture", "k": "1"}
	if diff := cmp.Diff(faults[0].Match, want); diff != "" || faults[0].Kind != "omit" {
		t.Errorf("%s %s", faults[0].Kind, diff)
	}
	for _, want := range []string{"tok_poor", "00-" + trace + "-", "title: lost answer"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "tok_ok") {
		t.Errorf("the body was not replaced\n%s", text)
	}
	for _, bad := range []string{"orders", "post /v1/orders", "POST /v1/orders {", "POST"} {
		if _, err := readPlot(file, "invariants.yaml", bad, "gateway"); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestExploreCalls reads the calls over edges out of a trace whose other spans lie between them.
func TestExploreCalls(t *testing.T) {
	begun := time.Unix(1000, 0)
	row := func(id, parent byte, edge, name string, at time.Duration, attrs ...telemetry.Attr) telemetry.Row {
		var r telemetry.Row
		r.ID[0], r.Parent[0], r.Edge, r.Name = id, parent, edge, name
		r.Start, r.Duration, r.Attrs = begun.Add(at), time.Second, attrs
		if edge != "" {
			r.Scope = edgeScope
		}
		return r
	}
	proto := func(p string) telemetry.Attr { return telemetry.Attr{Key: "network.protocol.name", Value: p} }
	tr := telemetry.Trace{Rows: []telemetry.Row{
		row(1, 99, ":a", "POST /x", 0, proto("http"), telemetry.Attr{Key: "http.response.status_code", Value: int64(201)}),
		row(2, 1, "", "POST /x", 1),
		row(3, 2, "a:b", "b.B/Do", 2, proto("grpc"), telemetry.Attr{Key: "rpc.grpc.status_code", Value: int64(14)}),
		row(4, 77, "a:c", "GET", 3, proto("redis")),
	}}
	tr.Start = begun
	var got []string
	for _, c := range explore.Name(callsOf(tr)) {
		got = append(got, string(c.Point)+" "+c.Proto+" "+c.Got)
	}
	want := []string{"a POST /x #1 http 201", "a POST /x #1 > b b.B/Do #1 grpc code 14", "c GET #1 redis ok"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	tr.Rows[3].Orphan = true
	if whole(tr) {
		t.Error("a trace without a caller is whole")
	}
	if flat := overEdges(tr); len(flat.Rows) != 3 {
		t.Errorf("%d calls over edges", len(flat.Rows))
	}
}

// TestExploreGoesOn keeps the runs of a search for the same one, and not for another.
func TestExploreGoesOn(t *testing.T) {
	p, err := readPlot(filepath.Join("..", "..", "chaos", "invariants.yaml"), "invariants.yaml", "", "")
	if err != nil {
		t.Fatal(err)
	}
	x := &exploring{App: &App{Err: io.Discard}, o: &exploreOptions{modes: []string{"omit"}}, plot: p, file: filepath.Join(t.TempDir(), "below", "explore.json")}
	made := []explore.Past{{Run: explore.Run{Answer: "201"}}}
	if past, err := x.past(); err != nil || past != nil {
		t.Errorf("got %v, %v", past, err)
	}
	if err := x.save(made); err != nil {
		t.Fatal(err)
	}
	if past, err := x.past(); err != nil || !cmp.Equal(past, made) {
		t.Errorf("got %v, %v", past, err)
	}
	x.o.modes = []string{"error"}
	if past, err := x.past(); err != nil || past != nil {
		t.Errorf("another search has %v, %v", past, err)
	}
	x.forget()
	if _, err := os.Stat(x.file); err == nil {
		t.Error("it was not forgotten")
	}
}

// TestExploreSummary speaks of the calls of a run where they are known, and of runs that were left out where there are.
func TestExploreSummary(t *testing.T) {
	clean := explore.Run{Calls: make([]explore.Call, 4)}
	for want, r := range map[string]explore.Result{
		"1 run made":                   {Counts: explore.Counts{Runs: 1}},
		"12 runs of 4 calls each made": {Clean: clean, Counts: explore.Counts{Runs: 12}},
		"9 runs of 4 calls each made; 6 runs left out: 1 known, 2 with an effect that was seen, 3 broken already (--thorough makes the first two)": {Clean: clean,
			Counts: explore.Counts{Runs: 9, Known: 1, Merged: 2, Broken: 3}},
		"9 runs made; 3 runs left out: 0 known, 0 with an effect that was seen, 3 broken already; in 2 runs a fault met no call": {
			Counts: explore.Counts{Runs: 9, Broken: 3, Idle: 2}},
	} {
		if got := effort(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// traced knows every trace, as long as it is asked by somebody who waits.
type traced struct{ experiment.Telemetry }

func (traced) Trace(ctx context.Context, _ string) (telemetry.Trace, error) {
	return telemetry.Trace{}, ctx.Err()
}

// TestExploreInterrupted tells what a search found that is interrupted or fails behind it, and writes the experiments:
// it may be that it is never started again. One that found nothing says where it was.
func TestExploreInterrupted(t *testing.T) {
	lost := errors.New("the fleet has gone")
	for name, c := range map[string]struct {
		runs, files int // after how many runs it ends, and what is written by then
		fails, json bool
		out, err    string
	}{
		"found":           {7, 1, false, false, "Replay: msctl chaos run found.yaml\n\n7 runs of 3 calls each made\ninterrupted: not every fault was tried; the same command goes on from there\n", ""},
		"two":             {11, 2, false, false, "Replay: msctl chaos run found-2.yaml", ""},
		"found, as JSON":  {7, 1, false, true, `"complete":false,"why":"interrupted"`, "interrupted after 7 runs: "},
		"before":          {4, 0, false, false, "", "interrupted after 4 runs: the same command goes on from there\n"},
		"found, and lost": {7, 1, true, false, "the fleet has gone: not every fault was tried", ""},
		"lost":            {4, 0, true, false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := readPlot(filepath.Join("..", "..", "chaos", "invariants.yaml"), "invariants.yaml", "", "")
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var out, said writes
			x := &exploring{App: &App{Dir: dir, Getenv: func(string) string { return "" }, Out: &out, Err: &said},
				o: &exploreOptions{output: "found.yaml", all: true, json: c.json}, plot: p, site: experiment.Site{Telemetry: traced{}}, file: filepath.Join(dir, "explore.json")}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			made := 0
			err = x.explore(ctx, &explore.Search{All: true, Most: 1, Modes: func(explore.Call) []explore.Mode { return []explore.Mode{{Name: "omit"}} },
				Run: func(_ context.Context, s explore.Set) (r explore.Run, err error) {
					if made++; made > c.runs && c.fails {
						return r, lost
					} else if made > c.runs {
						cancel()
						return r, ctx.Err()
					}
					for _, to := range []string{"b", "c", "d"} {
						r.Calls = append(r.Calls, explore.Call{Point: explore.Point(to + " GET /x #1"), Edge: "a:" + to, Op: "GET /x", Nth: 1, Proto: "http"})
					}
					if len(s) > 0 {
						r.Broken = []string{"it holds"}
					}
					return r, nil
				}})
			if c.fails && !errors.Is(err, lost) || !c.fails && exitCode(err) != exitInterrupt {
				t.Errorf("ended with %v", err)
			}
			if !strings.Contains(string(out), c.out) || c.out == "" && len(out) > 0 || !strings.HasPrefix(string(said), c.err) || c.err == "" && len(said) > 0 {
				t.Errorf("printed %q, said %q", out, said)
			}
			if files, _ := filepath.Glob(filepath.Join(dir, "found*.yaml")); len(files) != c.files || c.files == 2 && filepath.Base(files[0]) != "found-2.yaml" {
				t.Errorf("wrote %v, want %d", files, c.files)
			}
			if strings.Contains(string(out), "cancel") {
				t.Errorf("the traces were not asked for: %s", out)
			}
		})
	}
}
