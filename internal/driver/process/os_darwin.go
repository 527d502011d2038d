package process

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/keeper"
)

// ending tells when a process ends.
type ending struct {
	id     keeper.Identity
	closed chan struct{}
	once   sync.Once
}

func watch(id keeper.Identity) (*ending, error) {
	if !id.Alive() {
		return nil, unix.ESRCH
	}
	return &ending{id: id, closed: make(chan struct{})}, nil
}

// wait blocks until the process has ended or close is called.
func (e *ending) wait() error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for e.id.Alive() {
		select {
		case <-e.closed:
			return os.ErrClosed
		case <-tick.C:
		}
	}
	return nil
}

func (e *ending) close() {
	if e != nil {
		e.once.Do(func() { close(e.closed) })
	}
}

func socketPair() ([2]int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	return fds, err
}

func fork(argv, env []string, files []uintptr) (pid int, err error) {
	return syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: env, Files: files, Dir: "/",
		Sys: &syscall.SysProcAttr{Setsid: true}})
}
