package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// TestDeclaredReadsAgain reads the stack once, and again when a file of it changes, comes or goes.
func TestDeclaredReadsAgain(t *testing.T) {
	dir := t.TempDir()
	file, over := filepath.Join(dir, stack.FileName), filepath.Join(dir, stack.OverrideName)
	past := time.Now().Add(-time.Hour)
	write := func(path, text string) {
		past = past.Add(time.Minute)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	d := &declared{load: func() (*stack.Stack, error) {
		reads++
		st := &stack.Stack{Dir: dir, Files: []string{file}}
		return st, nil
	}}
	expect := func(when string, want int) {
		t.Helper()
		for range 3 {
			if _, err := d.get(); err != nil {
				t.Fatal(err)
			}
		}
		if reads != want {
			t.Errorf("%s: read %d times, want %d", when, reads, want)
		}
	}
	write(file, "a")
	expect("first", 1)
	write(file, "b")
	expect("the file changed", 2)
	write(over, "c")
	expect("an override came", 3)
	if err := os.Remove(over); err != nil {
		t.Fatal(err)
	}
	expect("the override went", 4)
	if err := os.WriteFile(file, []byte("just now"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("the file is being written", 7)
}
