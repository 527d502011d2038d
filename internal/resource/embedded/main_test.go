package embedded

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test binary stand in for Erlang's port mapper and for RabbitMQ.
func TestMain(m *testing.M) {
	switch os.Getenv("STAND_IN") {
	case "":
		goleak.VerifyTestMain(m)
	default:
		standIn(os.Args[1:])
	}
}

// standIn is the port mapper when it is given a port, else the broker, which says when it is told to end.
func standIn(args []string) {
	if len(args) > 2 && args[0] == "-port" {
		ln, err := net.Listen("tcp", args[3]+":"+args[1])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		for {
			if c, err := ln.Accept(); err == nil {
				c.Close()
			}
		}
	}
	if os.Getenv("STAND_IN") == "broken" {
		os.Exit(7)
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	fmt.Println("broker runs")
	<-told
	fmt.Println("broker told to end")
}

// buffer is a writer that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// eventually polls until ok, for at most ten seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10s: %s", what)
		}
	}
}

// freeAddr is an address on loopback that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestLoopbackOnly refuses to open any server to other machines (C6).
func TestLoopbackOnly(t *testing.T) {
	dir := t.TempDir()
	for _, s := range servers {
		for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80", "nonsense", ""} {
			args := []string{s.Name, "--addr", addr, "--dir", dir}
			if s.Name == "smtp" {
				args = append(args, "--http", "127.0.0.1:0")
			}
			if err := Main(t.Context(), args, &buffer{}, &buffer{}); err == nil || !strings.Contains(err.Error(), "listen on") {
				t.Errorf("%s on %q: %v", s.Name, addr, err)
			}
		}
	}
}

func TestMainMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		"run embedded server: no name given, want one of nats, redis, kafka, smtp, rabbitmq": nil,
		"run embedded server \"x\": unknown, want one of nats, redis, kafka, smtp, rabbitmq": {"x"},
		"run embedded redis: flag provided but not defined: -x":                              {"redis", "-x"},
	} {
		if err := Main(t.Context(), args, &buffer{}, &buffer{}); err == nil || err.Error() != want {
			t.Errorf("%v: error %v, want %s", args, err, want)
		}
	}
}

// TestTakenPort says so at once, for each server.
func TestTakenPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, name := range []string{"redis", "kafka", "smtp"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		args := []string{name, "--addr", ln.Addr().String(), "--dir", t.TempDir()}
		if name == "smtp" {
			args = append(args, "--http", "127.0.0.1:0")
		}
		if err := Main(ctx, args, &buffer{}, &buffer{}); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}
