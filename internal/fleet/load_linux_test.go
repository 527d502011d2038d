package fleet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/stack"
)

// TestRestartUnderLoad is A13: one of twelve services is restarted 200 times while the others log. They go on
// as the same processes, no line of any is lost or there twice, and no process is left behind.
func TestRestartUnderLoad(t *testing.T) {
	p := newProject(t)
	mark := strconv.Itoa(1e9 + os.Getpid())
	others := ""
	for i := range 11 {
		others += fmt.Sprintf("  log%d: {command: 'i=0; while echo line $((i+=1)); do sleep 0.05; done # %s', health: {log: line}}\n", i, mark)
	}
	p.write("stack.yaml", "version: 1\nname: load\nservices:\n  again: {command: 'echo up; exec sleep "+mark+"', health: {log: up}}\n"+others)
	st, err := stack.Load(stack.LoadOptions{Dir: p.dir})
	if err != nil {
		t.Fatal(err)
	}
	p.o.Stack = st
	r := p.up()
	before := r.pids()
	limit, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begun, done := time.Now(), 0
	for range 200 {
		was := r.get("again").PID
		if err := r.Restart(limit, []string{"again"}); err != nil {
			t.Fatal(err)
		}
		if now := r.get("again").PID; now != was && now != 0 {
			done++
		}
	}
	t.Logf("A13: %d of 200 restarted in %v", done, time.Since(begun).Round(time.Millisecond))
	after := r.pids()
	for name, pid := range before {
		if name != "again" && after[name] != pid {
			t.Errorf("%s was process %d and is %d", name, pid, after[name])
		}
	}
	if shells := marked(t, mark); len(shells) != 12 {
		t.Errorf("%d processes run, want one for each service: %v", len(shells), shells)
	}
	r.end(nil)
	if left := marked(t, mark); done != 200 || len(left) > 0 {
		t.Errorf("%d of 200 restarted, left behind: %v", done, left)
	}
	if got := slices.Compact(p.printed("again")); !slices.Equal(got, []string{"up"}) || len(p.printed("again")) != 201 {
		t.Errorf("it printed %d lines, %q, want 201 times up", len(p.printed("again")), got)
	}
	for i := range 11 {
		for n, line := range p.printed(fmt.Sprintf("log%d", i)) {
			if line != fmt.Sprintf("line %d", n+1) {
				t.Fatalf("log%d: line %d is %q", i, n+1, line)
			}
		}
	}
}

// pids returns the process of each unit.
func (r *rig) pids() map[string]int {
	pids := map[string]int{}
	for _, u := range r.Snapshot().Units {
		pids[u.Name] = u.PID
	}
	return pids
}

// printed returns what a unit printed in all its runs.
func (p *project) printed(unit string) (lines []string) {
	err := output.Read(p.t.Context(), filepath.Join(p.o.StateDir, "logs", unit), output.Query{}, func(l output.Line) error {
		if l.Stream == output.Stdout {
			lines = append(lines, string(l.Text))
		}
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
	return lines
}

// marked returns the commands that carry the mark on their command line.
func marked(t *testing.T, mark string) (found []string) {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if b, err := os.ReadFile(file); err == nil && strings.Contains(string(b), mark) {
			found = append(found, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return found
}
