package stack

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// versionOne returns the files that must load forever. They and their golden files are only added to.
func versionOne(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/v1/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	return files
}

func mustLoad(t *testing.T, opts LoadOptions) *Stack {
	t.Helper()
	st, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// golden compares got with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestVersionOne loads each file, compares what it means, and loads that again: Format loses nothing.
func TestVersionOne(t *testing.T) {
	for _, path := range versionOne(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			st := mustLoad(t, LoadOptions{Files: []string{path}, Kinds: kinds()})
			text := st.Format(false)
			golden(t, filepath.Join("testdata/v1/golden", filepath.Base(path)), string(text))
			again := reload(t, filepath.Dir(path), text)
			if diff := cmp.Diff(st, again, sameMeaning()); diff != "" {
				t.Errorf("loaded again (-first +again):\n%s", diff)
			}
			for _, s := range st.Services {
				if got, want := again.Service(s.Name).Hash(), s.Hash(); got != want && !anyLiteral(s) {
					t.Errorf("hash of %s is %s, want %s", s.Name, got, want)
				}
			}
		})
	}
}

func anyLiteral(s *Service) bool {
	return slices.ContainsFunc(s.Env, func(v Var) bool { return v.Literal })
}

// reload loads text as if it stood in dir.
func reload(t *testing.T, dir string, text []byte) *Stack {
	t.Helper()
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	st, err := loadText(abs, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return st
}

// sameMeaning compares stacks without places, and variables by what they expand to.
func sameMeaning() cmp.Options {
	return cmp.Options{
		cmpopts.IgnoreTypes(Pos{}),
		cmpopts.IgnoreFields(Stack{}, "Files", "Warnings"),
		cmpopts.EquateEmpty(),
		cmp.Transformer("expand", func(v Var) string {
			got, err := Expand(v, func(r Ref) (string, error) { return r.String(), nil })
			if err != nil {
				return err.Error()
			}
			return v.Name + "=" + got
		}),
	}
}

// TestEveryKey holds every-key.yaml to its name: each key of the tables is in it.
func TestEveryKey(t *testing.T) {
	text, err := os.ReadFile("testdata/v1/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(schema) {
		if !bytes.Contains(text, []byte(key+":")) {
			t.Errorf("no %s in every-key.yaml", key)
		}
	}
}

// keysOf returns every property name below a schema.
func keysOf(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		props, _ := v["properties"].(map[string]any)
		for name := range props {
			out = append(out, name)
		}
		for _, below := range v {
			out = append(out, keysOf(below)...)
		}
	case []any:
		for _, below := range v {
			out = append(out, keysOf(below)...)
		}
	}
	return out
}

// TestSchema fails when the committed copy is stale, and holds each description to its default.
func TestSchema(t *testing.T) {
	golden(t, filepath.Join("../..", SchemaPath), string(Schema()))
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	describe(t, "", s)
}

func describe(t *testing.T, path string, v any) {
	t.Helper()
	m, _ := v.(map[string]any)
	props, _ := m["properties"].(map[string]any)
	for name, p := range props {
		doc, _ := p.(map[string]any)["description"].(string)
		stated := strings.Contains(doc, "Default") || strings.Contains(doc, "Required")
		choice := strings.HasSuffix(path, "/health") && slices.Contains([]string{"http", "tcp", "grpc", "log", "exec"}, name)
		if doc == "" || !stated && !choice {
			t.Errorf("%s/%s: %q does not state the default", path, name, doc)
		}
		describe(t, path+"/"+name, p)
		describe(t, path+"/"+name, p.(map[string]any)["additionalProperties"])
	}
}

func TestGraph(t *testing.T) {
	st := mustLoad(t, LoadOptions{Files: []string{"testdata/v1/shop.yaml"}})
	for _, format := range GraphFormats {
		got, err := st.Graph(format)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/graph/shop."+format, got)
	}
	if _, err := st.Graph("png"); err == nil {
		t.Error("format png is drawn")
	}
}
