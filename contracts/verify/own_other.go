//go:build !unix

package verify

import (
	"os/exec"
	"time"
)

// own bounds how long a command that was ended is waited for.
func own(cmd *exec.Cmd) { cmd.WaitDelay = 2 * time.Second }
