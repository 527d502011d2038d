package cli

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestKilledTest checks that what a test brings up ends when the test's own process is killed.
func TestKilledTest(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	bin := t.TempDir()
	buildMsctl(t, bin, "-tags=")
	r := newCrashRig(t, bin)
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	test := exec.Command(own)
	test.Args = []string{"leave", filepath.Join(bin, "msctl"), r.dir}
	test.Stderr = os.Stderr
	out, err := test.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := test.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" || r.alive() != 2 {
		t.Errorf("%q, %v, %d services run", line, err, r.alive())
	}
	test.Process.Kill()
	test.Wait()
	for deadline := time.Now().Add(20 * time.Second); r.alive() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d processes survive", r.alive())
		}
	}
}

// leave is a test that brings a stack up and never ends: its arguments are msctl and the stack's folder.
func leave(args []string) int {
	if err := takeDownAtLast(args[1], args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	up := exec.Command(args[0], "up", "-d")
	up.Dir, up.Env, up.Stderr = args[1], append(os.Environ(), "XDG_RUNTIME_DIR="+args[1]), os.Stderr
	if err := up.Run(); err != nil {
		return 1
	}
	fmt.Println("up")
	select {}
}
