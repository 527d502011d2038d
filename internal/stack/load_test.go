package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write puts files into a fresh folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestSearch finds the file upward, names it as one would from there, and merges the override beside it.
func TestSearch(t *testing.T) {
	dir := write(t, map[string]string{
		FileName:       "version: 1\nservices:\n  a: {command: a}\n",
		OverrideName:   "services:\n  a: {replicas: 2, command: x y}\n  b: {comand: b}\n",
		"deep/er/file": "",
	})
	_, err := Load(LoadOptions{Dir: filepath.Join(dir, "deep", "er")})
	want := "../../stack.override.yaml:3:7: unknown key \"comand\"\n\thint: did you mean command?"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	if _, err := Load(LoadOptions{Dir: t.TempDir()}); !errors.Is(err, ErrNoFile) {
		t.Errorf("error is %v, want ErrNoFile", err)
	}
}

func TestOverride(t *testing.T) {
	base := `version: 1
services:
  web:
    command: web
    listen: {http: 80, admin: 81}
    env: {A: "1", B: "2", C: "3"}
    calls: [api]
    health: {http: /readyz}
    watch: [a, b]
  api: {command: api, listen: {http: auto}}
  old: {command: old}
`
	first := `services:
  web:
    listen: {http: 8080, admin: }
    env: {B: "two", C: , D: "4"}
    calls: {api: http}
    health: {tcp: http}
    watch: [c]
  old:
`
	second := "name: second\nservices: {web: {replicas: 4}}\n"
	dir := write(t, map[string]string{"base.yaml": base, "one.yaml": first, "sub/two.yaml": second})
	st := mustLoad(t, LoadOptions{Dir: dir, Files: []string{"base.yaml", "one.yaml", "sub/two.yaml"}})
	web := st.Service("web")
	got := fmt.Sprintln(st.Name, st.Dir == dir, len(st.Files), st.Service("old") == nil, web.Replicas, web.Watch.Paths, web.Health.TCP, web.Health.HTTP)
	if want := "second true 3 true 4 [c] http \n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if diff := cmp.Diff([]Listen{{Name: "http", Port: 8080}}, bareListens(web.Listen)); diff != "" {
		t.Error(diff)
	}
	want := []Var{{Name: "A", Value: "1"}, {Name: "B", Value: "two"}, {Name: "D", Value: "4"}}
	if diff := cmp.Diff(want, bareVars(web.Env)); diff != "" {
		t.Error(diff)
	}
	if got, want := web.Env[1].Pos.String(), "one.yaml:4:14"; got != want {
		t.Errorf("B is at %s, want %s", got, want)
	}
}

func TestFileVariable(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "version: 1\nname: a\n", "b.yaml": "name: b\n"})
	getenv := func(k string) string {
		return map[string]string{FileVariable: "a.yaml" + string(filepath.ListSeparator) + "b.yaml"}[k]
	}
	if got := mustLoad(t, LoadOptions{Dir: dir, Getenv: getenv}).Name; got != "b" {
		t.Errorf("name is %q, want b", got)
	}
}

// TestUnreadable: what is no regular file is an error, not a hang (E7).
func TestUnreadable(t *testing.T) {
	dir := write(t, map[string]string{"stack.yaml/x": ""})
	for _, name := range []string{"stack.yaml", "none.yaml", "/dev/zero"} {
		_, err := Load(LoadOptions{Dir: dir, Files: []string{name}})
		if err == nil || !strings.HasPrefix(err.Error(), "read ") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// TestManyServices: a stack of 500 services loads, and says how long that takes.
func TestManyServices(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nservices:\n  s0: {command: a, listen: {http: auto}}\n")
	for i := range 499 {
		fmt.Fprintf(&b, "  s%d: {path: go, listen: {http: auto}, calls: [s%d], env: {A: \"${s%d.url}\"}}\n", i+1, i, i/2)
	}
	dir := write(t, map[string]string{FileName: b.String(), "go/main.go": "package main"})
	begin := time.Now()
	st := mustLoad(t, LoadOptions{Dir: dir})
	loaded := time.Now()
	if got := len(st.Order()); got != 500 {
		t.Errorf("%d layers, want 500", got)
	}
	t.Logf("loaded in %v, ordered in %v", loaded.Sub(begin), time.Since(loaded))
}

func TestNameFrom(t *testing.T) {
	for dir, want := range map[string]string{
		"/": "stack", "/a/My Shop_2": "my-shop-2", "/x/__": "stack", "/" + strings.Repeat("a", 62) + "-b": strings.Repeat("a", 62),
	} {
		if got := nameFrom(dir); got != want || !nameRule.MatchString(got) {
			t.Errorf("name of %s is %q, want %q", dir, got, want)
		}
	}
}

func TestDetect(t *testing.T) {
	dir := write(t, map[string]string{
		"go/a.go": "package lib_test", "go/main.go": "// Copyright\n\npackage main\n",
		"tool/gen.go": "//go:build ignore\n\npackage main\n", "tool/lib.go": "package tool\n",
		"node/package.json": "{}", "py1/pyproject.toml": "", "py2/requirements.txt": "", "py3/main.py": "",
		"docker/Dockerfile": "FROM scratch", "both/Dockerfile": "FROM scratch", "both/main.go": "package main",
		"test/main_test.go": "package main",
	})
	for name, want := range map[string]Language{
		"go": Go, "tool": "", "node": Node, "py1": Python, "py2": Python, "py3": Python,
		"docker": Dockerfile, "both": Go, "test": "", "none": "",
	} {
		if got, hint := detect(filepath.Join(dir, name)); got != want || (got == "") != (hint != "") {
			t.Errorf("language of %s is %q (%s), want %q", name, got, hint, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	st := mustLoad(t, LoadOptions{Files: []string{"testdata/v1/shop.yaml"}})
	s := st.Service("gateway")
	got := fmt.Sprintln(s.Run, s.Replicas, s.Restart, s.Stop, s.Watch.Action, s.Health.Port, s.Health.Timeout, s.Health.Deadline, s.Health.Interval, s.Health.Failures)
	if want := "process 1 {on-failure 0 500ms} {TERM 10s} restart http 1s 1m0s 5s 3\n"; got != want {
		t.Errorf("defaults are %s, want %s", got, want)
	}
	if got := st.Service("seed").Restart.Policy; got != "never" {
		t.Errorf("a job is restarted %s", got)
	}
}

func TestAllows(t *testing.T) {
	tests := []struct {
		want, have string
		ok         bool
	}{
		{"", "anything", true}, {">=3.11", "3.11.2", true}, {">=3.11", "3.9", false}, {"3.11", "3.11.9", true},
		{"=3.11", "3.12", false}, {">= 18, < 21", "v20.1.0", true}, {">=18 <21", "21.0", false}, {">3.11", "3.11.5", false},
		{"^1.2", "1.9", true}, {"^1.2", "2.0", false}, {"~1.2", "1.2.9", true}, {"~1.2", "1.3", false}, {"<=2", "2.9", true},
		{">=1.26", "1.26rc1", true}, {">=1", "", false}, {">=1", "x.y", false},
	}
	for _, tt := range tests {
		if got := (Requirement{Version: tt.want}).Allows(tt.have); got != tt.ok {
			t.Errorf("%q allows %q: %v, want %v", tt.want, tt.have, got, tt.ok)
		}
	}
}
