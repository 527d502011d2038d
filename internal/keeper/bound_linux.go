package keeper

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Bound is a control group that bounds the CPU of a tree that runs already. Its fields say how that is
// undone, from any process.
type Bound struct {
	Dir  string // of the group
	Home string // folder of the group that the tree came from
	CPU  float64
	V2   bool
}

// NewBound says which group could bound a tree, and makes nothing yet. The error says why this process may
// not.
func NewBound(stack, unit string, keeper, leader int, cores float64) (*Bound, error) {
	b := &Bound{CPU: cores}
	root := cgroupRoot
	if _, err := os.Stat(cgroupRoot + "/cgroup.controllers"); err == nil {
		b.V2 = true
	} else {
		root = filepath.Join(cgroupRoot, "cpu")
	}
	b.Dir = filepath.Join(root, "msctl", flat(stack), flat(unit)+"#cpu")
	for _, pid := range []int{leader, keeper} { // the leader may be in this very group, by another bound
		in, err := groupOf(pid, b.V2)
		if err != nil {
			return nil, err
		}
		if b.Home = filepath.Join(root, in); b.Home != b.Dir {
			break
		}
	}
	return b, writable(root)
}

// writable says why groups cannot be made below a folder.
func writable(root string) error {
	probe := filepath.Join(root, "msctl")
	if err := os.Mkdir(probe, 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	if err := os.Mkdir(filepath.Join(probe, "probe"), 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	os.Remove(filepath.Join(probe, "probe"))
	return nil
}

// groupOf returns the group of a process, for its CPU, below the controller's root.
func groupOf(pid int, v2 bool) (string, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) { // 4:cpu,cpuacct:/path, or 0::/path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && (v2 && f[0] == "0" || !v2 && strings.Contains(","+f[1]+",", ",cpu,")) {
			return f[2], nil
		}
	}
	return "", fmt.Errorf("no controller %q", "cpu")
}

// Take makes the group and moves the tree into it: members is asked until nobody is new.
func (b *Bound) Take(members func() []int) error {
	if err := b.open(); err != nil {
		return err
	}
	moved := map[int]bool{}
	for range 100 {
		fresh := false
		for _, pid := range members() {
			if !moved[pid] {
				moved[pid], fresh = true, true
				_ = move(b.Dir, pid) // it has ended
			}
		}
		if !fresh {
			return nil
		}
	}
	return nil
}

func (b *Bound) open() error {
	settings := []setting{{name: "cpu.cfs_period_us", value: strconv.Itoa(cpuPeriod)}, {name: "cpu.cfs_quota_us", value: quota(b.CPU)}}
	if b.V2 {
		settings = []setting{{name: "cpu.max", value: quota(b.CPU) + " " + strconv.Itoa(cpuPeriod)}}
		dir := cgroupRoot
		for _, part := range strings.Split(strings.TrimPrefix(filepath.Dir(b.Dir), cgroupRoot+"/"), "/") {
			if err := os.WriteFile(dir+"/cgroup.subtree_control", []byte("+cpu"), 0); err != nil {
				return err
			}
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
				return err
			}
		}
		if err := os.WriteFile(dir+"/cgroup.subtree_control", []byte("+cpu"), 0); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return err
	}
	return apply(b.Dir, settings)
}

func move(dir string, pid int) error {
	return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

// Release moves everything in the group to where it came from and removes the group. A group that is gone
// is fine.
func (b *Bound) Release() error {
	if !strings.HasPrefix(b.Dir, cgroupRoot+"/") || !strings.HasSuffix(b.Dir, "#cpu") {
		return fmt.Errorf("release control group %q: not one of msctl's", b.Dir)
	}
	for range 100 {
		text, err := os.ReadFile(filepath.Join(b.Dir, "cgroup.procs"))
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, word := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(word)
			_ = move(b.Home, pid) // it has ended
		}
		if err := os.Remove(b.Dir); err == nil || os.IsNotExist(err) {
			return nil
		}
	}
	return fmt.Errorf("release control group %s: it does not become empty", b.Dir)
}
