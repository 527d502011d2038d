package experiment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAwaitExit shows that a child that has ended is still there to be reaped, so that its number is nobody else's.
func TestAwaitExit(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 3")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := awaitExit(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
		t.Errorf("it was reaped: %v", err)
	}
	if err := cmd.Wait(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("it is reaped with %v", err)
	}
}

// TestRunGroup shows what a command leaves: what it printed, up to a bound, and nobody of its group.
func TestRunGroup(t *testing.T) {
	run := func(script string) (string, error) {
		out, err := runGroup(exec.CommandContext(t.Context(), "sh", "-c", script))
		return string(out), err
	}
	out, err := run("sleep 1000 >/dev/null 2>&1 & echo $!")
	left, _ := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || left == 0 {
		t.Fatalf("printed %q, %v", out, err)
	}
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(left, 0) == nil && !zombie(left); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what it left lives")
		}
	}
	if out, err := run("(read x; echo late) & echo early; exit 4"); fmt.Sprint(err) != "exit status 4" || !strings.Contains(out, "early") || !strings.Contains(out, "late") {
		t.Errorf("printed %q, %v", out, err)
	}
	if out, err := run("head -c 1000000 /dev/zero | tr '\\0' x"); err != nil || len(out) != maxPrinted {
		t.Errorf("%d bytes were kept, %v; want %d", len(out), err, maxPrinted)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runGroup(exec.CommandContext(ctx, "sleep", "1000")); !errors.Is(err, context.Canceled) {
		t.Errorf("ended before: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := runGroup(exec.CommandContext(ctx, "sh", "-c", "sleep 1000; true")); err == nil {
		t.Error("it was not ended")
	}
	if _, err := runGroup(exec.CommandContext(t.Context(), "/no/such/command")); err == nil {
		t.Error("there is none")
	}
}

// zombie reports a process that has ended and waits for its parent, where the system tells.
func zombie(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(text), ") Z ")
}
