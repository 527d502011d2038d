package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// cpu is what a process and its children have used so far, in seconds.
func cpu(pid int) float64 {
	return sum(pid, func(pid int) float64 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0
		}
		f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
		user, _ := strconv.Atoi(f[11])
		sys, _ := strconv.Atoi(f[12])
		return float64(user+sys) / 100
	})
}

// memory is the proportional set size of a process and its children, in bytes.
func memory(pid int) float64 {
	return sum(pid, func(pid int) float64 {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				return kb * 1024
			}
		}
		return 0
	})
}

// sum adds up a figure over a process and its children. No process has pid 0.
func sum(pid int, of func(pid int) float64) float64 {
	if pid == 0 {
		return 0
	}
	total := of(pid)
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(child); err == nil {
			total += sum(n, of)
		}
	}
	return total
}
