package proc

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"time"
)

// Child is a process under measurement.
type Child struct {
	PID   int
	Addrs []string // where it listens
	Stop  func()   // ends it, and returns when it has ended
}

// Self starts this binary as "role args…" and reads n addresses from what it prints. The role ends with its
// standard input, see [Wait].
func Self(ctx context.Context, n int, args ...string) (Child, error) {
	self, err := os.Executable()
	if err != nil {
		return Child{}, err
	}
	return Role(ctx, self, n, args...)
}

// Role is Self with another binary.
func Role(ctx context.Context, binary string, n int, args ...string) (Child, error) {
	cmd := exec.CommandContext(ctx, binary, append([]string{"role"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return Child{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Child{}, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return Child{}, err
	}
	c := Child{PID: cmd.Process.Pid, Stop: func() { in.Close(); _ = cmd.Wait() }}
	for r := bufio.NewScanner(out); len(c.Addrs) < n && r.Scan(); {
		c.Addrs = append(c.Addrs, r.Text())
	}
	if len(c.Addrs) < n {
		c.Stop()
		return Child{}, fmt.Errorf("start %s: it told %d of %d addresses", args[0], len(c.Addrs), n)
	}
	return c, nil
}

// Open listens on loopback and prints the address for [Self] to read.
func Open() net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr())
	return ln
}

// Wait returns when a role is to end.
func Wait() { _, _ = io.Copy(io.Discard, os.Stdin) }

// Profile writes the CPU profile of this process to a file, where one is named, until what it returns is called.
func Profile(path string) (stop func()) {
	if path == "" {
		return func() {}
	}
	f, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: profile:", err)
	}
	return func() { pprof.StopCPUProfile(); f.Close() }
}

// Peer starts another program and waits until it listens at the last of its addresses.
func Peer(ctx context.Context, cmd *exec.Cmd, addrs []string) (Child, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return Child{}, err
	}
	stop := func() {
		_ = cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		late.Stop()
	}
	if err := listening(ctx, addrs[len(addrs)-1]); err != nil {
		stop()
		return Child{}, fmt.Errorf("%w: %s", err, lastBytes(said.Bytes()))
	}
	return Child{PID: cmd.Process.Pid, Addrs: addrs, Stop: stop}, nil
}

func listening(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// FreeAddrs are n addresses that were free a moment ago; all are held until all are chosen.
func FreeAddrs(n int) (addrs []string, err error) {
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}

// Build builds a program of another module that a folder below internal/bench pins, and returns its path. It
// is called in the root of the repository.
func Build(ctx context.Context, name, pinned, pkg string) (string, error) {
	bin := filepath.Join(os.TempDir(), "msctl-bench-peer-"+name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, pkg)
	cmd.Dir = filepath.Join("internal", "bench", pinned)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", name, err, lastBytes(out))
	}
	return bin, nil
}

func lastBytes(b []byte) []byte { return bytes.TrimSpace(b[max(0, len(b)-600):]) }
