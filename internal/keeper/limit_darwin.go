package keeper

import "syscall"

// limit bounds what a unit uses. macOS has nothing for a tree of processes.
type limit struct{ exceeded chan struct{} }

func (l *limit) start(s Spec, program string, attr *syscall.ProcAttr, remark func(string)) (int, error) {
	if s.Memory > 0 || s.CPU > 0 {
		remark("the limits of CPU and memory are not enforced: macOS cannot bound a tree of processes")
	}
	return syscall.ForkExec(program, s.Argv, attr)
}

func (l *limit) hit() bool { return false }

func (l *limit) close() {}

// RemoveGroups does nothing on macOS.
func RemoveGroups(string) {}
