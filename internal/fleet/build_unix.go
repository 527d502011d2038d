//go:build unix

package fleet

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a command into a process group of its own, and makes its cancellation end the group.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
