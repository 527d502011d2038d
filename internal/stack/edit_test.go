package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// edits is what the scripts of testdata/edit may do.
var edits = map[string]func(d *Document, words []string) error{
	"service":  func(d *Document, w []string) error { return d.AddService(w[0], ServiceText(lines(w[1:]))) },
	"resource": func(d *Document, w []string) error { return d.AddResource(w[0], lines(w[1:])) },
	"optional": func(d *Document, w []string) error { return d.AddOptionalCall(w[0], w[1], strings.Join(w[2:], "")) },
	"call":     func(d *Document, w []string) error { return d.AddCall(w[0], w[1], strings.Join(w[2:], "")) },
	"use":      func(d *Document, w []string) error { return d.AddUse(w[0], w[1]) },
	"profile":  func(d *Document, w []string) error { return d.AddToProfile(w[0], w[1]) },
	"remove":   func(d *Document, w []string) error { return d.RemoveService(w[0]) },
	"forget": func(d *Document, w []string) error {
		for all := d.Mentions(w[0]); len(all) > 0; all = d.Mentions(w[0]) {
			if err := d.RemoveMention(all[0]); err != nil {
				return err
			}
		}
		return nil
	},
}

// lines puts words together again, with | for the end of a line.
func lines(words []string) string { return strings.ReplaceAll(strings.Join(words, " "), "|", "\n") }

// TestEdit runs each script: pairs of a file and what it becomes, between them the edits, one a line.
func TestEdit(t *testing.T) {
	files, err := filepath.Glob("testdata/edit/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) { runEdits(t, path) })
	}
}

func runEdits(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for _, f := range archive.Files {
		text[f.Name] = string(f.Data)
	}
	d, err := Edit([]byte(text["before"]))
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for line := range strings.Lines(text["edits"]) {
		words := strings.Split(strings.TrimSpace(line), " ")
		if err := edits[words[0]](d, words[1:]); err != nil {
			said.WriteString(err.Error() + "\n")
		}
	}
	if *update {
		text["after"], text["errors"] = string(d.Bytes()), said.String()
		rewrite(t, path, archive, text)
		return
	}
	if diff := cmp.Diff(text["after"], string(d.Bytes())); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(text["errors"], said.String()); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

func rewrite(t *testing.T, path string, archive *txtar.Archive, text map[string]string) {
	t.Helper()
	archive.Files = nil
	for _, name := range []string{"before", "edits", "after", "errors"} {
		if text[name] != "" {
			archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text[name])})
		}
	}
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEditRefuses leaves a file alone that it does not understand.
func TestEditRefuses(t *testing.T) {
	for _, text := range []string{"", "a: [", "- a\n", "version: 1\nservices: {a: {comand: x}}\n", "\xef\xbb\xbfversion: 1\n"} {
		if _, err := Edit([]byte(text)); err == nil {
			t.Errorf("%q can be edited", text)
		}
	}
}

// TestRevise loads what the edits come to, and writes the file in place: mode and link stay.
func TestRevise(t *testing.T) {
	dir := write(t, map[string]string{
		"real/stack.yaml":          "version: 1\nservices:\n  a: {command: a} # first\n",
		"real/stack.override.yaml": "services:\n  a: {replicas: 2}\n",
	})
	real, link := filepath.Join(dir, "real", FileName), filepath.Join(dir, FileName)
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	opts := LoadOptions{Files: []string{link}}
	r, err := Revise(opts, func(_ *Stack, ds []*Document) error { return ds[0].AddService("b", "command: b\n") })
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Unchanged("b"); err != nil || r.New.Service("b") == nil || r.Old.Service("b") != nil {
		t.Errorf("error is %v, new stack has %v", err, r.New.Service("b"))
	}
	if err := r.Write(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(link)
	if want := "version: 1\nservices:\n  a: {command: a} # first\n  b: {command: b}\n"; err != nil || string(got) != want {
		t.Errorf("the file is %q, %v, want %q", got, err, want)
	}
	at, _ := os.Lstat(link)
	info, _ := os.Stat(real)
	if at.Mode()&os.ModeSymlink == 0 || info.Mode().Perm() != 0o640 {
		t.Errorf("link is %s, file %s", at.Mode(), info.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := r.Write(); err == nil { // it is not any more what was read
		t.Error("a file that was changed meanwhile is overwritten")
	}
}

// TestReviseRefuses writes nothing that would not load.
func TestReviseRefuses(t *testing.T) {
	dir := write(t, map[string]string{FileName: "version: 1\nservices:\n  a: {command: a}\n"})
	_, err := Revise(LoadOptions{Dir: dir}, func(_ *Stack, ds []*Document) error { return ds[0].AddCall("a", "b", "") })
	if err == nil || !strings.Contains(err.Error(), `service "a" calls unknown "b"`) {
		t.Errorf("error is %v", err)
	}
}
