// Package need skips a test where the machine lacks what it needs, and fails it instead where
// MSCTL_REQUIRE lists that need.
package need

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Docker skips t where no container engine answers.
func Docker(t testing.TB) {
	t.Helper()
	sock := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	if sock == "" {
		sock = "/var/run/docker.sock"
	}
	c, err := net.DialTimeout("unix", sock, 2*time.Second)
	if err != nil {
		Missing(t, "docker", "no container engine answers")
		return
	}
	c.Close()
}

// Native skips t where none of the programs is installed, on PATH or where Debian puts servers.
func Native(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if Program(p) == "" {
			Missing(t, "native", p+" is not installed")
			return
		}
	}
}

// Tool skips t where a tool chain, such as node or python3, is not on PATH.
func Tool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Missing(t, name, name+" is not on PATH")
	}
}

// Program returns the path of an installed server program, or "".
func Program(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, pattern := range []string{
		"/usr/sbin/", "/usr/local/sbin/", "/usr/lib/postgresql/*/bin/", "/usr/lib/rabbitmq/bin/", "/opt/homebrew/bin/",
	} {
		if found, _ := filepath.Glob(pattern + name); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	return ""
}

// Missing skips t and says why, or fails it where MSCTL_REQUIRE lists what.
func Missing(t testing.TB, what, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("MSCTL_REQUIRE"), ","), what) {
		t.Fatalf("MSCTL_REQUIRE lists %s: %s", what, why)
	}
	t.Skipf("needs %s: %s", what, why)
}
