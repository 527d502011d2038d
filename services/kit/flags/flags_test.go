package flags

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
)

const sample = `{"$schema": "https://flagd.dev/schema/v0/flags.json", "flags": {
	"from": {"state": "ENABLED", "variants": {"new": "catalog", "old": "legacy"}, "defaultVariant": "new"},
	"canary": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on",
		"targeting": {"fractional": [["on", 20], ["off", 80]]}},
	"limit": {"state": "ENABLED", "variants": {"low": 3, "high": 2.5}, "defaultVariant": "low", "targeting": {}},
	"gone": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on"}}}`

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.b.String(), text)
}

// open runs flags of a file with that content until the test ends.
func open(t *testing.T, content string) (f *Flags, file string, log *buffer) {
	t.Helper()
	file, log = filepath.Join(t.TempDir(), "flags.json"), &buffer{}
	write(t, file, content)
	app, err := kit.New(t.Context(), "test", kit.EnvMap(map[string]string{"FLAGS_FILE": file}), log)
	if err != nil {
		t.Fatal(err)
	}
	if f, err = Open(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return f, file, log
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestValues(t *testing.T) {
	f, _, _ := open(t, sample)
	ctx := t.Context()
	got := fmt.Sprint(f.String(ctx, "from", "x", For("a")), f.Int(ctx, "limit", 7, For("a")),
		f.Float(ctx, "limit", 7, For("a")), f.Boolean(ctx, "gone", false, For("a")),
		f.String(ctx, "none", "x", For("a")), f.String(ctx, "limit", "x", For("a")),
		f.Boolean(ctx, "canary", false, For("")), f.Object(ctx, "from", nil, For("a")))
	if want := fmt.Sprint("catalog", 3, 3.0, false, "x", "x", true, "catalog"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestShares splits clients by weight, each of them always the same way.
func TestShares(t *testing.T) {
	f, _, _ := open(t, sample)
	const clients = 5000
	on := 0
	for i := range clients {
		client := For(fmt.Sprint("subject:", i))
		first := f.Boolean(t.Context(), "canary", false, client)
		if f.Boolean(t.Context(), "canary", false, client) != first {
			t.Fatalf("client %d got both", i)
		}
		if first {
			on++
		}
	}
	if share := float64(on) / clients; math.Abs(share-0.2) > 0.03 {
		t.Errorf("%.3f of the clients are on, want 0.2", share)
	}
}

// TestChange takes a new content while it runs, keeps the old one where the new one cannot be read,
// and says so; also where another file is put in its place.
func TestChange(t *testing.T) {
	f, file, log := open(t, sample)
	from := func() string { return f.String(t.Context(), "from", "x", For("a")) }
	change := strings.Replace(sample, `"defaultVariant": "new"`, `"defaultVariant": "old"`, 1)
	write(t, file, change[:len(change)/2])
	kittest.Eventually(t, "a word about the half file", func() bool { return log.has("flags kept as they were") })
	if got := from(); got != "catalog" {
		t.Errorf("half a file: got %q, want the old value", got)
	}
	write(t, file, change)
	kittest.Eventually(t, "the new value", func() bool { return from() == "legacy" })
	write(t, file+".new", sample)
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, "the value of the file in its place", func() bool { return from() == "catalog" })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, "a word about no file", func() bool { return log.has("no such file") })
	if got := from(); got != "catalog" {
		t.Errorf("no file: got %q, want the old value", got)
	}
}

// TestNoFile has no flags: everybody gets the default.
func TestNoFile(t *testing.T) {
	f, err := Open(t.Context(), kittest.App(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.String(t.Context(), "from", "x", For("a")); got != "x" {
		t.Errorf("got %q, want the default", got)
	}
	if _, err := Open(t.Context(), kittest.App(t, map[string]string{"FLAGS_FILE": "/nowhere"})); err == nil {
		t.Error("a file that is not there is no error")
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	flag := func(rest string) string { return `{"flags": {"f": {` + rest + `}}}` }
	const head = `"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a", "targeting": `
	for content, want := range map[string]string{
		``:   "unexpected end",
		`{}`: `there is no "flags"`,
		flag(`"state": "on", "variants": {"a": 1}, "defaultVariant": "a"`):      "neither ENABLED nor DISABLED",
		flag(`"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "b"`): "none of the variants",
		flag(head + `{"if": [true, "a"]}`):                                      "no list of shares",
		flag(head + `{"fractional": [{"var": "email"}, ["a", 1]]}`):             "no list of shares",
		flag(head + `{"fractional": [["b", 1]]}`):                               "none of the variants",
		flag(head + `{"fractional": [["a", -1]]}`):                              "whole weight",
		flag(head + `{"fractional": [["a", 0]]}`):                               "no share has a weight",
	} {
		if _, err := parse([]byte(content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", content, err, want)
		}
	}
}
