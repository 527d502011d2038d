package control

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSocketModes is promise J1: whatever the umask, only the owner can reach the socket.
func TestSocketModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := SocketPath(shortDir(t), "a")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for p, want := range map[string]os.FileMode{filepath.Dir(path): 0o700, path: 0o600} {
		fi, err := os.Lstat(p)
		if err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want %v", p, fi.Mode().Perm(), err, want)
		}
	}
}

// TestUnsafePlaces is promises J1 and B12: what another user prepared is refused, by both ends.
func TestUnsafePlaces(t *testing.T) {
	cases := map[string]func(t *testing.T, dir string){
		"folder is a symbolic link": func(t *testing.T, dir string) { must(t, os.Symlink(t.TempDir(), dir)) },
		"folder is a file":          func(t *testing.T, dir string) { must(t, os.WriteFile(dir, nil, 0o600)) },
		"socket is a symbolic link": func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "a.sock")))
		},
		"socket is a file": func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(filepath.Join(dir, "a.sock"), nil, 0o600))
		},
		"folder of another user": func(t *testing.T, dir string) {
			if os.Getuid() != 0 {
				t.Skip("needs root: to give a folder away")
			}
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Chown(dir, 65534, 65534))
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(shortDir(t), "msctl", "a.sock")
			prepare(t, filepath.Dir(path))
			if ln, err := Listen(path); !errors.Is(err, ErrUnsafe) {
				t.Errorf("listen: got %v, %v, want %v", ln, err, ErrUnsafe)
			}
			if _, err := Dial(t.Context(), path); !errors.Is(err, ErrUnsafe) {
				t.Errorf("dial: got %v, want %v", err, ErrUnsafe)
			}
		})
	}
}

// TestStaleSocket is promise B2: what a killed supervisor left is replaced.
func TestStaleSocket(t *testing.T) {
	path := SocketPath(shortDir(t), "a")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*peerListener).Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dial: got %v, want %v", err, ErrNotRunning)
	}
	again, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestDialNobody(t *testing.T) {
	for _, path := range []string{"/nonexistent/x.sock", filepath.Join(t.TempDir(), "x.sock")} {
		if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNotRunning) {
			t.Errorf("dial %s: got %v, want %v", path, err, ErrNotRunning)
		}
	}
}

// asOther makes the test's own program the client of another user.
const asOther = "MSCTL_TEST_DIAL"

// dialAsOther is that client: it says what the server answered.
func dialAsOther() bool {
	path := os.Getenv(asOther)
	if path == "" {
		return false
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		os.Stdout.WriteString("refused by the file: " + err.Error())
		return true
	}
	c.Write([]byte("GET /v1/info HTTP/1.1\r\nHost: msctl\r\n\r\n"))
	n, err := c.Read(make([]byte, 100))
	if n == 0 && err != nil {
		os.Stdout.WriteString("refused by the peer check")
	}
	return true
}

// TestOtherUser is promise J2: even where the files would let another user in, the server does not.
func TestOtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: to run a client as another user")
	}
	path := serve(t, newFake())
	must(t, os.Chmod(path, 0o777))
	must(t, os.Chmod(filepath.Dir(path), 0o777))
	must(t, os.Chmod(filepath.Dir(filepath.Dir(path)), 0o777))
	self := filepath.Join(filepath.Dir(path), "client")
	data, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(self, data, 0o755))
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	cmd.Dir = "/"
	cmd.Env = []string{asOther + "=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "refused by the peer check") {
		t.Errorf("got %q, %v", out, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
