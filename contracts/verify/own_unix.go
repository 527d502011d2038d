//go:build unix

package verify

import (
	"os/exec"
	"syscall"
	"time"
)

// own makes a command the leader of a group of its own, which ends with it when its context does.
func own(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
}
