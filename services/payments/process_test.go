package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	paymentsv1 "msctl.dev/msctl/services/proto/shop/payments/v1"
)

// spawn starts a program that logs as the kit does, and returns what it listens on once it listens on
// all of those. It is killed when the test ends.
func spawn(t *testing.T, cmd *exec.Cmd, listeners ...string) map[string]string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL) // it may have ended
		_ = cmd.Wait()                          // and may have been waited for
	})
	addrs := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line struct{ Msg, Listener, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "service listening" {
			addrs[line.Listener] = line.Addr
		}
		if len(addrs) == len(listeners) {
			go io.Copy(io.Discard, out) // ends with the process
			return addrs
		}
	}
	t.Fatalf("%s does not listen", filepath.Base(cmd.Path))
	return nil
}

// process starts a replica as a process of its own, with a short lease.
func (w *world) process() (*exec.Cmd, paymentsv1.PaymentsServiceClient) {
	w.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asService+"=1", "PAYMENTS_LEASE=300ms", "HTTP_PORT=0", "GRPC_PORT=0")
	for k, v := range w.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	addrs := spawn(w.t, cmd, "http", "grpc")
	return cmd, w.dial(addrs["grpc"])
}
