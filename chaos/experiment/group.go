package experiment

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Of what is run on this machine.
const (
	maxPrinted = 256 << 10       // bytes that are kept of what it prints
	lateUsual  = 3 * time.Second // to end after SIGTERM, and to print after its leader has ended
)

// runGroup runs a command in a process group of its own, no member of which is left, and returns what it
// printed. The group is signalled only while its leader is not reaped: after that its number may be another's.
func runGroup(cmd *exec.Cmd) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var g group
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return g.signal(syscall.SIGTERM) }
	cmd.WaitDelay = lateUsual
	g.mu.Lock() // until it is known which group it is
	err = cmd.Start()
	if err == nil {
		g.id = cmd.Process.Pid
	}
	g.mu.Unlock()
	w.Close()
	if err != nil {
		return nil, err
	}
	var out bounded
	copied := make(chan error, 1)
	go func() { _, err := io.Copy(&out, r); copied <- err }()
	ended := awaitExit(cmd.Process.Pid)
	_ = r.SetReadDeadline(time.Now().Add(lateUsual)) // of what still holds the pipe
	late := <-copied
	_ = g.signal(syscall.SIGKILL) // what it left; mostly nobody
	g.mu.Lock()
	g.id = 0
	g.mu.Unlock()
	if err = cmd.Wait(); err == nil {
		err = ended
	}
	if err == nil && late != nil {
		err = exec.ErrWaitDelay
	}
	return out.kept.Bytes(), err
}

// group is a process group whose leader is not reaped yet.
type group struct {
	mu sync.Mutex // held while it is signalled
	id int        // 0: it is no more
}

func (g *group) signal(sig syscall.Signal) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.id == 0 {
		return os.ErrProcessDone
	}
	return syscall.Kill(-g.id, sig)
}

// awaitExit waits until a child has ended, and leaves it to be reaped.
func awaitExit(pid int) error {
	const byPID = 1     // P_PID
	var info [16]uint64 // siginfo_t has 128 bytes at most
	for {
		_, _, e := syscall.Syscall6(syscall.SYS_WAITID, byPID, uintptr(pid), uintptr(unsafe.Pointer(&info)), syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if e == 0 {
			return nil
		}
		if e != syscall.EINTR {
			return os.NewSyscallError("waitid", e)
		}
	}
}

// bounded keeps the first bytes of what is written.
type bounded struct{ kept bytes.Buffer } // a field: its ReadFrom would keep all

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxPrinted - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
