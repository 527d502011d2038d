package contracts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTempDir removes what a process left that is no more, and nothing else.
func TestTempDir(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	gone := exec.Command(os.Args[0], "-test.run", "^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(tmp, fmt.Sprintf("msctl-verify-%d-1", gone.Process.Pid))
	kept := []string{filepath.Join(tmp, fmt.Sprintf("msctl-verify-%d-1", os.Getppid())), filepath.Join(tmp, "msctl-verify-x-1"),
		filepath.Join(tmp, fmt.Sprintf("other-%d-1", gone.Process.Pid))}
	for _, dir := range append(kept, left) {
		if err := os.MkdirAll(filepath.Join(dir, "in"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	made, err := TempDir("msctl-verify")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(kept, made) {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", left, err)
	}
}
