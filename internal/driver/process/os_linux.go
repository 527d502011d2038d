package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/keeper"
)

// ending tells when a process ends: a descriptor of the process in Go's poller, no thread and no polling.
type ending struct{ fd *os.File }

// watch returns the ending of that very process. It returns unix.ESRCH where it is gone.
func watch(id keeper.Identity) (*ending, error) {
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if p, err := keeper.Inspect(id.PID); err != nil || p.Start != id.Start {
		unix.Close(fd)
		return nil, unix.ESRCH
	}
	return &ending{fd: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// wait blocks until the process has ended or close is called.
func (e *ending) wait() error {
	c, err := e.fd.SyscallConn()
	if err != nil {
		return err
	}
	return c.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(fds, 0)
		return n > 0
	})
}

func (e *ending) close() {
	if e != nil {
		e.fd.Close()
	}
}

func socketPair() ([2]int, error) {
	return unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}

func fork(argv, env []string, files []uintptr) (pid int, err error) {
	return syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: env, Files: files, Dir: "/",
		Sys: &syscall.SysProcAttr{Setsid: true}})
}
