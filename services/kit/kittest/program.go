package kittest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Program is a service of another language as a process: it logs lines of JSON, and says there where it
// listens.
type Program struct {
	URL  string // of its HTTP server
	Cmd  *exec.Cmd
	done chan struct{} // closed when it has printed all

	mu   sync.Mutex // guards logs
	logs []map[string]any
}

// StartProgram starts cmd with the PATH and env as its environment, until the test ends, and waits for it
// to listen.
func StartProgram(t testing.TB, cmd *exec.Cmd, env map[string]string) *Program {
	t.Helper()
	p := &Program{Cmd: cmd, done: make(chan struct{})}
	cmd.Stderr, cmd.Env = os.Stderr, []string{"PATH=" + os.Getenv("PATH")}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr := make(chan string, 1)
	go p.read(out, addr)
	t.Cleanup(func() { p.Stop(t) })
	select {
	case a := <-addr:
		p.URL = "http://" + a
	case <-p.done:
		t.Fatalf("process ended: %v", p.Logs())
	case <-time.After(time.Minute):
		t.Fatal("process does not listen")
	}
	return p
}

func (p *Program) read(out io.Reader, addr chan<- string) {
	defer close(p.done)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := map[string]any{}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			line["not json"] = lines.Text()
		}
		p.mu.Lock()
		p.logs = append(p.logs, line)
		p.mu.Unlock()
		if line["listener"] == "http" {
			addr <- fmt.Sprint(line["addr"])
		}
	}
}

// Logs returns what it has printed so far, a line each. One that is no JSON stands under "not json".
func (p *Program) Logs() []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logs
}

// Stop asks the process to end and wants that to be clean. It may be called again.
func (p *Program) Stop(t testing.TB) {
	t.Helper()
	if p.Cmd.ProcessState != nil {
		return
	}
	_ = p.Cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		_ = p.Cmd.Process.Kill()
		<-p.done
	}
	if err := p.Cmd.Wait(); err != nil {
		t.Errorf("process ended: %v", err)
	}
	for _, line := range p.Logs() {
		if line["not json"] != nil {
			t.Errorf("log is not JSON: %v", line)
		}
	}
}
