// Package proc starts the processes that the benchmark measures, and reads what they have used.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// CPU is what a process and its children have used so far, in seconds.
func CPU(pid int) float64 { return sum(pid, Alone) }

// Alone is what a process has used so far without its children, in seconds.
func Alone(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	sys, _ := strconv.Atoi(f[12])
	return float64(user+sys) / 100
}

// Memory is the proportional set size of a process and its children, in bytes.
func Memory(pid int) float64 { return sum(pid, Own) }

// Own is the proportional set size of a process without its children, in bytes.
func Own(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	return kilobytes(b, "Pss:")
}

// Peak is the most that was ever resident of a process, in bytes.
func Peak(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return kilobytes(b, "VmHWM:")
}

func kilobytes(b []byte, key string) float64 {
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024
		}
	}
	return 0
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

// Median of at least one value.
func Median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	return xs[len(xs)/2]
}

// Load is the load average of the last minute, "" where it is not known.
func Load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
