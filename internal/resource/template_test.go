package resource_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"msctl.dev/msctl/internal/resource"
)

// fakePostgres is a machine whose initdb notes each call in calls and, when told so, fails half way.
func fakePostgres(t *testing.T, dir string) resource.Machine {
	t.Helper()
	script := `#!/bin/sh
echo call >>` + dir + `/calls
while [ "$1" != -D ]; do shift; done
mkdir -m 700 "$2" && (umask 077; echo 15 >"$2/PG_VERSION"; echo half >"$2/half")
[ -e ` + dir + `/fail ] && { echo no space left; exit 1; }
rm "$2/half"
`
	server := "#!/bin/sh\necho 'postgres (PostgreSQL) '$(cat " + dir + "/version)' (Debian)'\n"
	for name, text := range map[string]string{"initdb": script, "postgres": server} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "version"), "15.4")
	return resource.Machine{Engine: errEngine, Programs: map[string]string{"initdb": dir + "/initdb", "postgres": dir + "/postgres"}, Path: os.Getenv("PATH")}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fakePlace is one stack's place on a machine made by fakePostgres.
func fakePlace(dir, name string) resource.Place {
	return resource.Place{DataDir: filepath.Join(dir, ".msctl", name, "data", "postgres"), CacheDir: filepath.Join(dir, ".msctl", "cache"),
		Ports: map[string]int{"postgres": 5432}, Stack: name}
}

// TestTemplate sets up ten servers at once: the fresh data folder is made once, and each gets a copy.
func TestTemplate(t *testing.T) {
	dir := t.TempDir()
	s := serverOf(t, fakePostgres(t, dir), "", res("orders-db", "postgres"))
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if err := s.Setup(t.Context(), fakePlace(dir, fmt.Sprint("copy", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := strings.Count(read(t, dir+"/calls"), "call"); got != 1 {
		t.Errorf("initdb was called %d times, want once", got)
	}
	for i := range 10 {
		if got := read(t, filepath.Join(fakePlace(dir, fmt.Sprint("copy", i)).DataDir, "native/cluster/data/PG_VERSION")); got != "15\n" {
			t.Errorf("copy %d holds %q", i, got)
		}
	}
}

// TestTemplateAfterCrash fails the first time half way, leaves a half copy, and must be whole the second
// time (B6).
func TestTemplateAfterCrash(t *testing.T) {
	dir := t.TempDir()
	s := serverOf(t, fakePostgres(t, dir), "", res("orders-db", "postgres"))
	p := fakePlace(dir, "one")
	write(t, dir+"/fail", "")
	err := s.Setup(t.Context(), p)
	if want := "set up postgres: make data folder: initdb: exit status 1\nno space left"; err == nil || err.Error() != want {
		t.Fatalf("error %v, want %s", err, want)
	}
	if err := os.Remove(dir + "/fail"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(p.DataDir, "native/cluster.new/data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Setup(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(p.DataDir, "native/cluster/data")
	if _, err := os.Stat(data + "/half"); err == nil {
		t.Error("a half-made folder is used")
	}
	write(t, data+"/table", "kept")
	if err := s.Setup(t.Context(), p); err != nil || read(t, data+"/table") != "kept" {
		t.Errorf("set up again: %v", err)
	}
}

// TestTemplateCancelled gives up waiting for another msctl that builds.
func TestTemplateCancelled(t *testing.T) {
	dir := t.TempDir()
	s := serverOf(t, fakePostgres(t, dir), "", res("orders-db", "postgres"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Setup(ctx, fakePlace(dir, "one")); err == nil {
		t.Error("set up although cancelled")
	}
}

// TestPrivateFiles checks that nobody else may read what a server is given, whatever the umask (K2).
func TestPrivateFiles(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := t.TempDir()
	s := serverOf(t, fakePostgres(t, dir), "", res("orders-db", "postgres"))
	if err := s.Setup(t.Context(), fakePlace(dir, "one")); err != nil {
		t.Fatal(err)
	}
	if _, err := resource.LoadSecret(filepath.Join(dir, ".msctl", "data")); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(dir, ".msctl"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		files++
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("looked at %d files: %v", files, err)
	}
}

// TestOtherVersion refuses data of another major version in plain words.
func TestOtherVersion(t *testing.T) {
	dir := t.TempDir()
	s := serverOf(t, fakePostgres(t, dir), "", res("orders-db", "postgres"))
	p := fakePlace(dir, "one")
	if err := s.Setup(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/version", "16.1")
	err := s.Setup(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "the data is PostgreSQL 15's and this server is 16.1") {
		t.Errorf("error %v", err)
	}
}

// TestStaleLock removes the lock file of a killed server when its process id is another program's.
func TestStaleLock(t *testing.T) {
	dir := t.TempDir()
	s := serverOf(t, fakePostgres(t, dir), "", res("orders-db", "postgres"))
	p := fakePlace(dir, "one")
	if err := s.Setup(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/comm"); err != nil {
		t.Skip("needs /proc")
	}
	lock := filepath.Join(p.DataDir, "native/cluster/data/postmaster.pid")
	write(t, lock, fmt.Sprintf("%d\n/data\n", os.Getpid()))
	if err := s.Setup(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lock); err == nil {
		t.Error("the lock file of another program's process is still there")
	}
}
