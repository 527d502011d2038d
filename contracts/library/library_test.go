package library_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/contracts/library"
	"msctl.dev/msctl/internal/need"
)

// TestSymbols compares the list with what the pact-go of go.mod calls.
func TestSymbols(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/pact-foundation/pact-go/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "internal", "native", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of pact-go: %v", err)
	}
	var called []string
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`C\.(pactffi_\w+)`).FindAllSubmatch(body, -1) {
			called = append(called, string(name[1]))
		}
	}
	slices.Sort(called)
	if diff := cmp.Diff(slices.Compact(called), library.Symbols()); diff != "" {
		t.Errorf("symbols.txt is not what pact-go calls:\n%s", diff)
	}
}

// TestReal checks the installed library of this machine, as everything else uses it.
func TestReal(t *testing.T) {
	need.Pact(t)
	l, err := library.Find(library.Here(os.Getenv))
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(l.Env(func(string) string { return "/elsewhere" }), "\n")
	if want := "LIBRARY_PATH=" + filepath.Dir(l.File) + ":/elsewhere"; !strings.Contains(env, want) {
		t.Errorf("environment is %s, want %s", env, want)
	}
}

// TestInstall fetches from a registry, by two at once, and finds what they installed.
func TestInstall(t *testing.T) {
	body := built(t, library.Symbols())
	p, registry := published(t, body, nil)
	if _, err := library.Find(p); !errors.Is(err, library.ErrMissing) {
		t.Fatalf("found one before: %v", err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			var last int64
			if _, err := library.Install(context.Background(), p, registry, func(done, _ int64) { last = done }); err != nil || last == 0 {
				t.Errorf("install: %v; %d bytes arrived", err, last)
			}
		})
	}
	both.Wait()
	l, err := library.Find(p)
	if err != nil || l.Version != "9.9.9" || l.File != filepath.Join(p.Cache, "9.9.9", "libpact_ffi.so") {
		t.Fatalf("found %+v, %v", l, err)
	}
	left, _ := filepath.Glob(filepath.Join(p.Cache, ".*"))
	if len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if err := os.WriteFile(l.File, append(body, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := library.Find(p); err == nil || !strings.Contains(err.Error(), "not what was published") {
		t.Errorf("a changed library is %v", err)
	}
}

// TestInstallRefuses meets registries that do not send what was published, or nothing.
func TestInstallRefuses(t *testing.T) {
	body := built(t, library.Symbols())
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"other content": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "something else") }, "its checksum is sha512-"},
		"no such":       {http.NotFound, "404 Not Found"},
		"cut":           {cut, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			p, registry := published(t, body, c.answer)
			_, err := library.Install(context.Background(), p, registry, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if _, err := library.Find(p); !errors.Is(err, library.ErrMissing) {
				t.Errorf("something is installed: %v", err)
			}
		})
	}
	p, _ := published(t, body, nil)
	p.Arch = "mips"
	if _, err := library.Install(context.Background(), p, "http://127.0.0.1:1", nil); err == nil || !strings.Contains(err.Error(), "none for linux on mips") {
		t.Errorf("a machine that nobody builds for: %v", err)
	}
}

// TestInstallFile takes a library from a file, packed in each way, and refuses what is none.
func TestInstallFile(t *testing.T) {
	body := built(t, library.Symbols())
	short := built(t, library.Symbols()[1:])
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"library":     {body, ""},
		"gzip":        {packed(t, body), ""},
		"npm package": {archive(t, body), ""},
		"text":        {[]byte("#!/bin/sh"), "no library"},
		"older":       {short, "lacks 1 functions that pact-go calls, such as " + library.Symbols()[0]},
		"bad gzip":    {[]byte("\x1f\x8b\x08nonsense"), "unpack"},
		"empty":       {nil, "no library"},
	} {
		t.Run(name, func(t *testing.T) {
			p := library.Place{Cache: t.TempDir(), OS: "linux", Arch: runtime.GOARCH}
			file := filepath.Join(t.TempDir(), "given")
			if err := os.WriteFile(file, c.content, 0o644); err != nil {
				t.Fatal(err)
			}
			l, err := library.InstallFile(p, file)
			if c.want == "" {
				found, missing := library.Find(p)
				if err != nil || missing != nil || found.File != l.File {
					t.Fatalf("installed %+v, %v; found %+v, %v", l, err, found, missing)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

// built compiles a shared library that exports those functions.
func built(t *testing.T, names []string) []byte {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("makes a library of Linux")
	}
	need.Tool(t, "gcc")
	dir := t.TempDir()
	var source strings.Builder
	for _, n := range names {
		fmt.Fprintf(&source, "void %s(void) {}\n", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "p.c"), []byte(source.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "p.so")
	if text, err := exec.Command("gcc", "-shared", "-nostdlib", "-o", out, filepath.Join(dir, "p.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	body, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// published serves a package that holds body, or what answer sends, as a registry does.
func published(t *testing.T, body []byte, answer http.HandlerFunc) (library.Place, string) {
	t.Helper()
	pack := archive(t, body)
	row := library.Row{
		OS: "linux", Arch: runtime.GOARCH, Version: "9.9.9", Package: "pact-core-test", Release: "1.0.0",
		Archive: integrity(pack), Content: checksum(body),
	}
	mux := http.NewServeMux()
	if answer == nil {
		answer = func(w http.ResponseWriter, _ *http.Request) { w.Write(pack) }
	}
	mux.HandleFunc("/@pact-foundation/pact-core-test/-/pact-core-test-1.0.0.tgz", answer)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return library.Place{Cache: t.TempDir(), OS: "linux", Arch: runtime.GOARCH, Table: []library.Row{row}}, server.URL + "/"
}

func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, "half")
}

func archive(t *testing.T, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range map[string][]byte{"package/package.json": []byte("{}"), "package/prebuilds/linux/libpact_ffi.so": body} {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR})
		if _, werr := w.Write(content); err != nil || werr != nil {
			t.Fatal(err, werr)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed(t, out.Bytes())
}

func packed(t *testing.T, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func integrity(body []byte) string {
	s := sha512.Sum512(body)
	return "sha512-" + base64.StdEncoding.EncodeToString(s[:])
}

func checksum(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}
