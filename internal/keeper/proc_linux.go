package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// userHZ is the unit of times in /proc/PID/stat; it is 100 on every architecture that Go knows.
const userHZ = 100

var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(b))
})

// Processes returns the process table.
func Processes() (Table, error) {
	pids, err := pids()
	if err != nil {
		return nil, err
	}
	t := make(Table, 0, len(pids))
	buf := make([]byte, 1024)
	for _, pid := range pids {
		if p, err := inspect(pid, buf); err == nil {
			t = append(t, p)
		}
	}
	return t, nil
}

func pids() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	out := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

// Inspect returns the line of one process.
func Inspect(pid int) (Process, error) { return inspect(pid, make([]byte, 1024)) }

func inspect(pid int, buf []byte) (Process, error) {
	n, err := slurp("/proc/"+strconv.Itoa(pid)+"/stat", buf)
	if err != nil {
		return Process{}, err
	}
	return parseStat(pid, buf[:n])
}

// slurp reads a small file with three system calls and no memory of its own.
func slurp(path string, buf []byte) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.Read(fd, buf)
}

var errStat = errors.New("unknown format of /proc/PID/stat")

// parseStat takes apart proc(5)'s stat. The name may hold anything, so fields count from the last ")".
func parseStat(pid int, b []byte) (Process, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || len(b) < end+4 {
		return Process{}, errStat
	}
	f := bytes.Fields(b[end+2:])
	if len(f) < 20 {
		return Process{}, errStat
	}
	num := func(field int) uint64 { // numbered as in proc(5)
		n, _ := strconv.ParseUint(string(f[field-3]), 10, 64)
		return n
	}
	ticks := func(n uint64) time.Duration { return time.Duration(n) * time.Second / userHZ }
	return Process{
		PID: pid, Name: string(b[open+1 : end]),
		Zombie: f[0][0] == 'Z' || f[0][0] == 'X',
		Parent: int(num(4)), Group: int(num(5)), Start: num(22),
		CPU: ticks(num(14) + num(15)), ReapedCPU: ticks(num(16) + num(17)),
	}, nil
}

// environ reads the environment that a process was started with.
func environ(pid int) (Environ, error) {
	return os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
}

// young reports whether p was made within the last second by a process, not by the kernel.
func (p Process) young() bool {
	const kthreadd = 2
	var now unix.Timespec
	if p.Parent == kthreadd || unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return false
	}
	return uint64(now.Nano()/int64(time.Second/userHZ)) < p.Start+userHZ
}

// Memory returns how much of a process is in memory: what only it has, and what it shares with others.
func Memory(pid int) (private, shared int64) {
	var buf [128]byte
	n, err := slurp("/proc/"+strconv.Itoa(pid)+"/statm", buf[:])
	if err != nil {
		return 0, 0
	}
	f := bytes.Fields(buf[:n])
	if len(f) < 3 {
		return 0, 0
	}
	resident, _ := strconv.ParseInt(string(f[1]), 10, 64)
	share, _ := strconv.ParseInt(string(f[2]), 10, 64)
	page := int64(os.Getpagesize())
	return (resident - share) * page, share * page
}

// descendants returns what lives below root, cheaply: without a look at the rest of the machine. A process
// that is moving to another parent meanwhile may be missing, so emptiness is for wait4 to say.
func descendants(root int) Table {
	var out Table
	buf := make([]byte, 4096)
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, pid := range childrenOf(queue[0]) {
			p, err := inspect(pid, buf)
			if err != nil {
				continue
			}
			queue = append(queue, pid)
			if !p.Zombie {
				out = append(out, p)
			}
		}
	}
	return out
}

// childrenOf reads the children of every thread of a process.
func childrenOf(pid int) (out []int) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	threads, _ := d.Readdirnames(-1)
	for _, tid := range threads {
		b, _ := os.ReadFile(dir + tid + "/children")
		for f := range bytes.FieldsSeq(b) {
			if n, err := strconv.Atoi(string(f)); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// Send signals that very process and no other: by a descriptor of the process, checked after it was
// opened. It returns unix.ESRCH where the process is gone.
func (id Identity) Send(sig unix.Signal) error {
	if id.PID <= 0 || id.Boot != bootID() {
		return unix.ESRCH
	}
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err == unix.ENOSYS || err == unix.EPERM { // before Linux 5.3, or forbidden
		if !id.Alive() {
			return unix.ESRCH
		}
		return unix.Kill(id.PID, sig)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if p, err := Inspect(id.PID); err != nil || p.Start != id.Start {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}
