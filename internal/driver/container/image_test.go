package container

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/output"
)

func TestImageName(t *testing.T) {
	for _, c := range []struct{ prefix, name, want string }{
		{"", "postgres:15", "postgres:15"},
		{"local/", "postgres:15", "local/postgres:15"},
		{"local/", "docker.io/library/postgres:15", "local/postgres:15"},
		{"local/", "local/postgres:15", "local/postgres:15"},
		{"mirror.corp:5000/hub/", "apache/kafka:3.9", "mirror.corp:5000/hub/kafka:3.9"},
	} {
		if got := ImageName(c.prefix, c.name); got != c.want {
			t.Errorf("ImageName(%q, %q) = %q, want %q", c.prefix, c.name, got, c.want)
		}
	}
}

// TestNoSuchImage is one clear line, at once, and nothing is left.
func TestNoSuchImage(t *testing.T) {
	d := newDriver(t)
	d.ImagePrefix = ""
	registry := httptest.NewServer(http.NotFoundHandler())
	defer registry.Close()
	u := shell(t, "svc", "exit 0")
	u.Image = strings.TrimPrefix(registry.URL, "http://") + "/no/such:1"
	_, err := d.Run(t.Context(), u, driver.Hooks{})
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "start svc: pull image "+u.Image+": ") {
		t.Errorf("got %v", err)
	}
	t.Log(err)
}

// registry serves one image of one layer with a file that is new each time. stall, when not nil, keeps the
// layer back until it is closed.
func registry(t *testing.T, stall chan struct{}) (name string) {
	t.Helper()
	var layer bytes.Buffer
	z := gzip.NewWriter(&layer)
	w := tar.NewWriter(z)
	content := rand.Text()
	if err := addBytes(w, "file", content); err != nil {
		t.Fatal(err)
	}
	w.Close()
	z.Close()
	var plain bytes.Buffer
	unzip, _ := gzip.NewReader(bytes.NewReader(layer.Bytes()))
	_, _ = io.Copy(&plain, unzip)
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["%s"]}}`, digest(plain.Bytes()))
	manifest, _ := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest(config)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.Len(), "digest": digest(layer.Bytes())}},
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			_, _ = w.Write(manifest)
		case strings.HasSuffix(r.URL.Path, digest(config)):
			_, _ = w.Write(config)
		case strings.HasSuffix(r.URL.Path, digest(layer.Bytes())):
			if stall != nil {
				<-stall
			}
			_, _ = w.Write(layer.Bytes())
		}
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://") + "/test/image:1"
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// TestPull pulls an image that is not there, says so in the log, and does not pull it again.
func TestPull(t *testing.T) {
	d := newDriver(t)
	d.ImagePrefix = ""
	u := driver.Unit{Name: "svc", Image: registry(t, nil), LogDir: t.TempDir(), Argv: []string{"/no/such/program"}}
	t.Cleanup(func() { dropImage(t, u.Image) })
	if e, err := d.Run(t.Context(), u, driver.Hooks{}); e.Code != 127 || err != nil {
		t.Errorf("got %+v, %v, want 127: no such program", e, err)
	}
	if id, err := imageID(t.Context(), d.link.Load().cli, u.Image); id == "" || err != nil {
		t.Errorf("image %q: %v", id, err)
	}
	tail, err := output.Tail(u.LogDir, 10)
	if err != nil || len(tail) != 3 || string(tail[1].Text) != "pulled image "+u.Image || tail[1].Stream != output.Note {
		t.Errorf("log %v, %v", tail, err)
	}
	if left := leftovers(t, d); left != 0 {
		t.Errorf("%d left", left)
	}
}

// TestPullStalls is G5: a registry that hangs costs the deadline and no more, and cancelling ends it at once.
func TestPullStalls(t *testing.T) {
	d := newDriver(t)
	d.ImagePrefix, d.PullTimeout = "", time.Second
	stall := make(chan struct{})
	u := driver.Unit{Name: "svc", Image: registry(t, stall)}
	t.Cleanup(func() { close(stall) })
	_, err := d.Run(t.Context(), u, driver.Hooks{})
	if want := "start svc: pull image " + u.Image + ": not done within 1s"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	d.PullTimeout = time.Hour
	r := start(t, d, u)
	r.cancel(nil)
	if e := r.end(t); !e.Asked {
		t.Errorf("exit %+v", e)
	}
}

func dropImage(t *testing.T, name string) {
	t.Helper()
	ctx := context.Background() // that of the test has ended
	cli, _, err := dial(ctx, "")
	if err != nil {
		t.Error(err)
		return
	}
	defer cli.Close()
	if _, err := cli.ImageRemove(ctx, name, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil {
		t.Error(err)
	}
}

// TestBuild makes an image from a Dockerfile, with .dockerignore, and shows what the builder says.
func TestBuild(t *testing.T) {
	d := newDriver(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile":    "FROM " + d.ImagePrefix + base + "\nCOPY . /in/\nRUN ls /in\n",
		".dockerignore": "secret\n", "secret": "x", "seen": "x",
		"bad": "FROM " + d.ImagePrefix + base + "\nRUN echo because; exit 9\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tag := "msctl-test/built:" + d.Stack
	var out bytes.Buffer
	if err := Build(t.Context(), dir, "", tag, &out); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropImage(t, tag) })
	if !strings.Contains(out.String(), "seen\n") || strings.Contains(out.String(), "secret\n") {
		t.Errorf("the builder said %q", out.String())
	}
	if ok, err := ImageExists(t.Context(), tag); !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	first := inspectID(t, tag)
	if err := os.WriteFile(filepath.Join(dir, "seen"), []byte("y"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Build(t.Context(), dir, "", tag, &out); err != nil {
		t.Fatal(err)
	}
	if second := inspectID(t, tag); second == first || inspectID(t, first) != "" {
		t.Errorf("image %s, before %s, which is still there: %v", second, first, inspectID(t, first) != "")
	}
	out.Reset()
	err := Build(t.Context(), dir, "bad", tag+"-bad", &out)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(out.String(), "because\n") {
		t.Errorf("got %v, said %q", err, out.String())
	}
	if err := Build(t.Context(), dir, "none", tag, &out); err == nil {
		t.Error("no error for a Dockerfile that is not there")
	}
}

// inspectID returns the id of an image, "" where it is not there.
func inspectID(t *testing.T, name string) string {
	t.Helper()
	cli, _, err := dial(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	id, err := imageID(t.Context(), cli, name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestBuildStatic makes an image from a Go program alone and runs it under a name with a prefix set.
func TestBuildStatic(t *testing.T) {
	d := newDriver(t)
	need.Tool(t, "go")
	dir := t.TempDir()
	program := `package main
import ("fmt"; "os"; "time"; "crypto/x509")
func main() {
	_, zone := time.LoadLocation("Europe/Berlin")
	pool, err := x509.SystemCertPool()
	fmt.Println(os.Args[1:], os.Getuid(), zone, err, pool.Equal(x509.NewCertPool()))
	fmt.Println(os.WriteFile("/tmp/x", nil, 0o600))
}`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", "svc", "main.go")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tag := "msctl-test/static:" + d.Stack
	began := time.Now()
	if err := BuildStatic(t.Context(), filepath.Join(dir, "svc"), tag); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropImage(t, tag) })
	t.Logf("built in %v", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	if err := BuildStatic(t.Context(), filepath.Join(dir, "svc"), tag); err != nil {
		t.Fatal(err)
	}
	t.Logf("found unchanged in %v", time.Since(began).Round(time.Millisecond))
	u := driver.Unit{Name: "svc", Image: tag, Argv: []string{"a"}, LogDir: t.TempDir()}
	r := start(t, d, u)
	if e := r.end(t); !e.OK() {
		t.Errorf("exit %+v", e)
	}
	want := "[a] 65532 <nil> <nil> false\n<nil>"
	if _, err := os.Stat(certFile); err != nil {
		want = "[a] 65532 <nil> <nil> true\n<nil>"
	}
	if got := strings.Join(lines(t, u), "\n"); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if err := BuildStatic(t.Context(), "/bin/sh", tag+"-sh"); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("got %v for a dynamic binary", err)
	}
	if err := BuildStatic(t.Context(), filepath.Join(dir, "main.go"), tag+"-go"); err == nil || !strings.Contains(err.Error(), "GOOS=linux") {
		t.Errorf("got %v for no binary", err)
	}
}
