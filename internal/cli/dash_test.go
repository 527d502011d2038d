package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/tui"
)

// TestDashKnowsCommands has the dashboard take every command, or say that it is run in a terminal.
func TestDashKnowsCommands(t *testing.T) {
	root := newRoot(&App{Getenv: func(string) string { return "" }})
	var walk func(of *cobra.Command)
	walk = func(of *cobra.Command) {
		for _, c := range of.Commands() {
			name := strings.TrimPrefix(c.CommandPath(), "msctl ")
			if c.IsAvailableCommand() && c.Runnable() && !tui.Knows(name) {
				t.Errorf("the dashboard calls %s unknown", name)
			}
			walk(c)
		}
	}
	walk(root)
}

// TestDashCrashFile is promise N7: what is needed to mend a broken dashboard is kept where only its user
// reads it, without secrets, and the user is told where.
func TestDashCrashFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".msctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"stack.yaml":         "version: 1\nname: vault\nservices:\n  web:\n    command: [web]\n    env: {API_TOKEN: canary-in-the-stack, A: \"${secret:from_file}\"}\n",
		".msctl/secrets.env": "from_file=canary-of-the-file\n",
		".msctl/crash.txt":   "an older crash\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, ".msctl", "crash.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ".msctl", "crash.txt")
	a := &App{Getenv: func(string) string { return "" }, Dir: dir}
	p, err := a.place()
	if err != nil {
		t.Fatal(err)
	}
	crash := &tui.Crash{Value: "index out of canary-in-the-stack", Stack: []byte("draw(canary-of-the-file)\n\tframe.go:12")}
	err = a.dashEnd(p, crash)
	if !errors.Is(err, crash) {
		t.Errorf("ended with %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); strings.Contains(got, "canary") || !strings.Contains(got, "index out of") || !strings.Contains(got, "frame.go:12") {
		t.Errorf("the file says:\n%s", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
	if err := a.dashEnd(p, nil); err != nil {
		t.Errorf("a dashboard that was left ends with %v", err)
	}
}
