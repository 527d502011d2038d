package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"msctl.dev/msctl/internal/failpoint"
)

// maxPath is the longest path of a unix socket that every system takes.
const maxPath = 100

// SocketPath returns where the fleet with that id listens: in runtimeDir (XDG_RUNTIME_DIR) when it is a
// folder of this user, else in a folder of this user under /tmp.
func SocketPath(runtimeDir, id string) string {
	if runtimeDir != "" && checkOwner(runtimeDir) == nil {
		if p := filepath.Join(runtimeDir, "msctl", id+".sock"); len(p) <= maxPath {
			return p
		}
	}
	return filepath.Join("/tmp", fmt.Sprintf("msctl-%d", os.Getuid()), id+".sock")
}

// Listen opens the socket at path, which only this user can reach. A socket that nobody listens on any
// more is replaced, so call it only while holding the lock of the stack. Closing the listener removes
// the socket.
func Listen(path string) (net.Listener, error) {
	if err := PrivateDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	failpoint.Hit("socket-bound")
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("protect %s: %w", path, err)
	}
	failpoint.Hit("socket-open")
	return &peerListener{Listener: ln, uid: os.Getuid()}, nil
}

// PrivateDir makes a folder that only this user can enter, or checks that it is one.
func PrivateDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make private folder: %w", err)
	}
	if err := checkOwner(dir); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// checkOwner refuses a folder that is a symbolic link, no folder, or of another user.
func checkOwner(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return fmt.Errorf("use %s: %w: not a folder", dir, ErrUnsafe)
	}
	return checkUID(dir, fi)
}

// checkSocket refuses what is no socket of this user. A missing one is ErrNotRunning.
func checkSocket(path string) error {
	if err := checkOwner(filepath.Dir(path)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return ErrNotRunning
		}
		return err
	}
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotRunning
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("use %s: %w: not a socket", path, ErrUnsafe)
	}
	return checkUID(path, fi)
}

func checkUID(path string, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Getuid() {
		return fmt.Errorf("use %s: %w: it belongs to another user", path, ErrUnsafe)
	}
	return nil
}

// removeStale removes the socket that a killed supervisor left. It never removes anything else.
func removeStale(path string) error {
	err := checkSocket(path)
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

// peerListener drops connections of other users before a byte is read.
type peerListener struct {
	net.Listener
	uid int
}

func (l *peerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if cred, err := peer(c); err == nil && cred.uid == l.uid {
			return c, nil
		}
		c.Close()
	}
}

// credentials are the kernel's word about the other end of a connection.
type credentials struct{ uid, pid int }

// peer asks the kernel who is at the other end of c.
func peer(c net.Conn) (credentials, error) {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return credentials{}, errors.New("not a unix connection")
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return credentials{}, err
	}
	var cred credentials
	var asked error
	if err := raw.Control(func(fd uintptr) { cred, asked = peerOf(int(fd)) }); err != nil {
		return credentials{}, err
	}
	return cred, asked
}
