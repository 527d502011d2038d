package stack

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// kinds are the resource types of the real tool.
func kinds() []string {
	return []string{"postgres", "redis", "rabbitmq", "nats", "kafka", "mysql", "mongo", "smtp", "container"}
}

// TestErrors holds every mistake to its place, words and hint (E2, E3, E8, K3).
func TestErrors(t *testing.T) {
	const golden = "testdata/errors.txtar"
	ar, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(ar.Files); i += 2 {
		in, want := &ar.Files[i], &ar.Files[i+1]
		t.Run(strings.TrimSuffix(in.Name, ".yaml"), func(t *testing.T) {
			got := mistakes(t, string(in.Data))
			if *update {
				want.Data = []byte(got)
			} else if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(golden, txtar.Format(ar), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// mistakes loads text among a few folders and returns what is wrong with it.
func mistakes(t *testing.T, text string) string {
	t.Helper()
	dir := write(t, map[string]string{
		FileName:                 text,
		"empty/README":           "",
		"library/lib.go":         "package library\n",
		"program/cmd/it/main.go": "package main\n",
		"bad.env":                "GOOD=1\nno value here: \"secret\n",
		"nul.env":                "A=\x00\n",
	})
	_, err := Load(LoadOptions{Dir: dir, Kinds: kinds()})
	if err == nil {
		t.Fatal("it loads")
	}
	var all Errors
	if !errors.As(err, &all) {
		t.Fatalf("error is %T, want Errors: %v", err, err)
	}
	for _, e := range all {
		if e.Pos.File != FileName || e.Pos.Line < 1 || e.Pos.Col < 1 {
			t.Errorf("%v has no place", e)
		}
		if strings.ContainsFunc(e.Error()+e.Hint, func(r rune) bool { return r != '\n' && unseen(r) }) {
			t.Errorf("%q has a control character", e.Error())
		}
	}
	return strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"
}
