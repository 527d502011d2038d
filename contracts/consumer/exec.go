package consumer

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// DirVariable names the folder into which a consumer test writes its pacts.
const DirVariable = "MSCTL_PACT_DIR"

// Exec becomes argv, the test binary that somebody's own `go test -exec` starts, with a folder of its own
// for pacts: two processes that write one pact file lose interactions. It returns only where that cannot be
// done. Where [DirVariable] is not set the binary runs as it is.
func Exec(argv, environ []string) error {
	env, root := environ, lookup(environ, DirVariable)
	if root != "" {
		dir := filepath.Join(root, rand.Text())
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make a folder for pacts: %w", err)
		}
		env = replaced(environ, DirVariable+"="+dir)
	}
	if err := syscall.Exec(argv[0], argv, env); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	return nil
}

func lookup(environ []string, name string) string {
	for _, line := range environ {
		if value, is := strings.CutPrefix(line, name+"="); is {
			return value
		}
	}
	return ""
}

// replaced returns environ with those NAME=value lines in place of what it said of them.
func replaced(environ []string, lines ...string) []string {
	var out []string
	for _, had := range environ {
		name, _, _ := strings.Cut(had, "=")
		if lookup(lines, name) == "" {
			out = append(out, had)
		}
	}
	return append(out, lines...)
}
