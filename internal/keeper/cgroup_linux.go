package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	cgroupRoot = "/sys/fs/cgroup"
	cpuPeriod  = 100_000 // microseconds
)

// cgroup is the control group of one unit: one folder in version 2, one for each controller in version 1.
type cgroup struct {
	v2   bool
	dirs []string
	home []string // version 1: the tasks file of the group that this process was in, beside each of dirs
}

// setting is one file of a group and what to write into it.
type setting struct {
	name, value string
	optional    bool
}

// newGroup makes a group with the limits of s. The error says why this process may not.
func newGroup(s Spec) (*cgroup, error) {
	place := filepath.Join("msctl", flat(s.Stack), flat(s.Unit))
	if _, err := os.Stat(cgroupRoot + "/cgroup.controllers"); err == nil {
		return newGroup2(s, place)
	}
	g := &cgroup{}
	if s.Memory > 0 {
		bytes := strconv.FormatInt(s.Memory, 10)
		err := g.add1("memory", place, []setting{
			{name: "memory.limit_in_bytes", value: bytes}, {name: "memory.memsw.limit_in_bytes", value: bytes, optional: true},
		})
		if err != nil {
			g.remove()
			return nil, err
		}
	}
	if s.CPU > 0 {
		err := g.add1("cpu", place, []setting{
			{name: "cpu.cfs_period_us", value: strconv.Itoa(cpuPeriod)}, {name: "cpu.cfs_quota_us", value: quota(s.CPU)},
		})
		if err != nil {
			g.remove()
			return nil, err
		}
	}
	return g, nil
}

// flat makes one folder's name of s.
func flat(s string) string { return strings.ReplaceAll(s, "/", "_") }

func quota(cores float64) string { return strconv.Itoa(max(1000, int(cores*cpuPeriod))) }

// newGroup2 makes a group of version 2, for one who may write at its root.
func newGroup2(s Spec, place string) (*cgroup, error) {
	dir := cgroupRoot
	for _, part := range strings.Split(place, "/") {
		if err := os.WriteFile(dir+"/cgroup.subtree_control", []byte("+cpu +memory"), 0); err != nil {
			return nil, err
		}
		dir = filepath.Join(dir, part)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	g := &cgroup{v2: true, dirs: []string{dir}}
	var settings []setting
	if s.Memory > 0 {
		settings = append(settings, setting{name: "memory.max", value: strconv.FormatInt(s.Memory, 10)},
			setting{name: "memory.swap.max", value: "0", optional: true})
	}
	if s.CPU > 0 {
		settings = append(settings, setting{name: "cpu.max", value: quota(s.CPU) + " " + strconv.Itoa(cpuPeriod)})
	}
	if err := apply(dir, settings); err != nil {
		g.remove()
		return nil, err
	}
	return g, nil
}

// add1 makes the group's folder for one controller of version 1.
func (g *cgroup) add1(controller, place string, settings []setting) error {
	home, err := homeOf(controller)
	if err != nil {
		return err
	}
	dir := filepath.Join(cgroupRoot, controller, place)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	g.dirs, g.home = append(g.dirs, dir), append(g.home, home)
	return apply(dir, settings)
}

// homeOf returns the tasks file of the version 1 group that this process is in.
func homeOf(controller string) (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) { // 4:memory:/path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && strings.Contains(","+f[1]+",", ","+controller+",") {
			return filepath.Join(cgroupRoot, controller, f[2], "tasks"), nil
		}
	}
	return "", fmt.Errorf("no controller %q", controller)
}

func apply(dir string, settings []setting) error {
	for _, s := range settings {
		if err := os.WriteFile(filepath.Join(dir, s.name), []byte(s.value), 0); err != nil && !s.optional {
			return err
		}
	}
	return nil
}

// start calls fork so that the child is in the group from its first instruction on.
func (g *cgroup) start(attr *syscall.ProcAttr, fork func() (int, error)) (int, error) {
	if g.v2 {
		d, err := os.Open(g.dirs[0])
		if err != nil {
			return 0, err
		}
		defer d.Close()
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(d.Fd())
		return fork()
	}
	// A child begins in the groups of the thread that makes it, so this thread goes there and back.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self := []byte(strconv.Itoa(unix.Gettid()))
	for i, dir := range g.dirs {
		if err := os.WriteFile(filepath.Join(dir, "tasks"), self, 0); err != nil {
			return 0, err
		}
		defer os.WriteFile(g.home[i], self, 0)
	}
	return fork()
}

// killed reports whether the kernel has killed one of the group for its memory.
func (g *cgroup) killed() bool {
	for _, dir := range g.dirs {
		for _, name := range []string{"memory.events", "memory.oom_control"} {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			if _, n, ok := bytes.Cut(text, []byte("oom_kill ")); ok && len(n) > 0 && n[0] != '0' {
				return true
			}
		}
	}
	return false
}

// remove removes the group. Those above it stay: another keeper may be making one in them now.
func (g *cgroup) remove() {
	for _, dir := range g.dirs {
		os.Remove(dir)
	}
}

// RemoveGroups removes the control groups of a stack of which no process is left.
func RemoveGroups(stack string) {
	for _, pattern := range []string{"msctl", "*/msctl"} {
		stacks, _ := filepath.Glob(filepath.Join(cgroupRoot, pattern, flat(stack)))
		for _, dir := range stacks {
			units, _ := filepath.Glob(dir + "/*/")
			for _, unit := range units {
				os.Remove(unit)
			}
			os.Remove(dir)
			os.Remove(filepath.Dir(dir)) // not empty while another stack has groups
		}
	}
}
