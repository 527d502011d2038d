// Package mishap runs programs of which single calls to the system fail, as they do on a full or broken
// disk or where descriptors and memory run out. It is for tests. The programs are the ones that users get:
// the kernel asks the test what is to become of each call (seccomp's user notification), so that no call is
// left out and nothing has to be put into their code.
package mishap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Call is one call of a program to the system that concerns the folders under watch, or makes a descriptor.
type Call struct {
	Program string // the first 15 bytes of its name
	Name    string // "openat"
	Path    string // under Watch.Folder; "" where the call has none
	Creates bool   // an openat that makes the file
	N       int    // this call is the how-many-th of this program, name and path; from 1
}

func (c Call) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s #%d", c.Program, c.Name, c.Path, c.N)), " ")
}

// Watch decides on the calls of the commands that it starts, and of all that these start.
type Watch struct {
	Folder  string                          // calls that concern paths under it are told, relative to it
	Helper  string                          // the program in which [Exec] runs, by the name that makes it do so
	Decide  func(Call) unix.Errno           // 0 lets the call pass; called by one goroutine at a time
	Rewrite func(path string) (told string) // what differs from run to run is made the same; nil keeps paths

	mu   sync.Mutex // guards seen, and the calls of Decide
	seen map[Call]int
	wg   sync.WaitGroup
}

// Start starts a command under watch. It keeps none of the command's own extra files.
func (w *Watch) Start(cmd *exec.Cmd) error {
	near, far, err := pair()
	if err != nil {
		return err
	}
	defer near.Close()
	defer far.Close()
	cmd.Args = append([]string{w.Helper, cmd.Path}, cmd.Args...)
	if cmd.Path, err = os.Executable(); err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{far}
	if err := cmd.Start(); err != nil {
		return err
	}
	far.Close()
	listener, err := receive(near)
	if err != nil {
		return errors.Join(err, cmd.Wait())
	}
	w.wg.Go(func() { w.serve(listener) })
	return nil
}

// Wait blocks until every program that was started under watch has ended.
func (w *Watch) Wait() { w.wg.Wait() }

// Exec is what the helper does: it gives the test the say over this process's calls, and becomes the
// program that its arguments name, a path and then the program's own arguments.
func Exec(args []string) int {
	err := become(args)
	fmt.Fprintln(os.Stderr, "mishap:", err)
	return 125
}

func pair() (near, far *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far"), nil
}

// receive takes the descriptor that the helper sends.
func receive(near *os.File) (int, error) {
	conn, err := net.FileConn(near)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	text, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(text, rights)
	if err != nil {
		return 0, fmt.Errorf("receive listener: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return 0, fmt.Errorf("receive listener: it did not come: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}

// decide counts a call and says what is to become of it.
func (w *Watch) decide(c Call) unix.Errno {
	if w.Rewrite != nil {
		c.Path = w.Rewrite(c.Path)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[Call]int{}
	}
	w.seen[c]++
	c.N = w.seen[c]
	return w.Decide(c)
}
