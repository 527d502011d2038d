package keeper

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const zombie = 5 // SZOMB of sys/proc.h

var bootID = sync.OnceValue(func() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return "unknown"
	}
	return id
})

// Processes returns the process table.
func Processes() (Table, error) {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	t := make(Table, len(all))
	for i := range all {
		t[i] = process(&all[i])
	}
	return t, nil
}

// Inspect returns the line of one process.
func Inspect(pid int) (Process, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return Process{}, fmt.Errorf("inspect process %d: %w", pid, err)
	}
	if int(k.Proc.P_pid) != pid {
		return Process{}, fmt.Errorf("inspect process %d: %w", pid, unix.ESRCH)
	}
	return process(k), nil
}

func process(k *unix.KinfoProc) Process {
	start := k.Proc.P_starttime
	return Process{
		PID: int(k.Proc.P_pid), Parent: int(k.Eproc.Ppid), Group: int(k.Eproc.Pgid),
		Start:  uint64(start.Sec)*uint64(time.Second/time.Microsecond) + uint64(start.Usec),
		Zombie: k.Proc.P_stat == zombie,
		Name:   unix.ByteSliceToString(k.Proc.P_comm[:]),
	}
}

// environ reads the environment that a process was started with. Those of others, and of programs that
// the system protects, may not be read.
func environ(pid int) (Environ, error) {
	b, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil {
		return nil, err
	}
	return parseArgs(b), nil
}

// young is always false: macOS shows the old environment or the new one.
func (p Process) young() bool { return false }

// parseArgs finds the environment behind the count, the program's path and the arguments.
func parseArgs(b []byte) Environ {
	if len(b) < 4 {
		return nil
	}
	argc := int(b[0]) | int(b[1])<<8 | int(b[2])<<16 | int(b[3])<<24
	b = b[4:]
	if i := bytes.IndexByte(b, 0); i >= 0 { // the program's path, padded
		b = bytes.TrimLeft(b[i:], "\x00")
	}
	for range argc {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return nil
		}
		b = b[i+1:]
	}
	return b
}

// Memory returns zero: macOS tells it to the process's parent's debugger only.
func Memory(int) (private, shared int64) { return 0, 0 }

// descendants returns what lives below root, and what has left it for init but kept the group of one of
// root's children or their marker: macOS has no subreaper. What changed both its session and its
// environment is not found.
func descendants(root int) Table {
	all, err := Processes()
	if err != nil {
		return nil
	}
	out := all.Tree(root)
	in := map[int]bool{root: true}
	for _, p := range out {
		in[p.PID] = true
	}
	own, _ := environ(root)
	stack, _ := own.Lookup(EnvStack)
	unit, _ := own.Lookup(EnvUnit)
	for _, p := range all {
		if p.Parent != 1 || in[p.PID] || p.Zombie {
			continue
		}
		env := p.Environ()
		s, _ := env.Lookup(EnvStack)
		u, _ := env.Lookup(EnvUnit)
		if _, keeper := env.Lookup(EnvKeeper); s == stack && u == unit && stack != "" && !keeper {
			out = append(append(out, p), all.Tree(p.PID)...)
		}
	}
	return out
}

// Send signals that very process, checked just before. It returns unix.ESRCH where the process is gone.
func (id Identity) Send(sig unix.Signal) error {
	if !id.Alive() {
		return unix.ESRCH
	}
	return unix.Kill(id.PID, sig)
}
