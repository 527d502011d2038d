package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFilesAreClosed walks what msctl makes for a user whose umask closes nothing (K2, J1).
func TestFilesAreClosed(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	x := newTerminal(t, "version: 1\nname: open\nresources:\n  cache: {type: redis, runtime: embedded}\n  mail: {type: smtp, runtime: embedded}\n  db: {type: postgres, embedded: sqlite, runtime: embedded}\n"+
		"services:\n  web:\n    command: [fake, serve]\n    listen: {http: auto}\n    uses: [cache, mail, db]\n    replicas: 2\n"+
		"  built:\n    path: built\n    job: true\n")
	x.env = append(x.env, "GOCACHE="+buildCache(), "GOFLAGS=-buildvcs=false")
	for name, text := range map[string]string{"go.mod": "module built\n\ngo 1.24\n", "main.go": "package main\n\nfunc main() { println(\"built\") }\n"} {
		if err := os.MkdirAll(filepath.Join(x.dir, "built"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(x.dir, "built", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := keeperBeside(x.bin); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"up", "-d", "--timeout", "120s"}, {"ps"}, {"restart", "web"}, {"up", "-d", "--isolated"}} {
		if out, err := x.command(args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	defer x.command("--instance", "i1", "down", "--force").Run()
	seen := 0
	for _, root := range []string{".msctl", "run/msctl"} {
		err := filepath.WalkDir(filepath.Join(x.dir, root), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return nil // gone meanwhile
			}
			fi, err := e.Info()
			if err != nil || fi.Mode()&fs.ModeSymlink != 0 {
				return nil
			}
			seen++
			if name, _ := filepath.Rel(x.dir, path); fi.Mode().Perm()&0o077 != 0 {
				t.Errorf("K2: %s has mode %v", name, fi.Mode())
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("K2: %d files and folders looked at", seen)
}
