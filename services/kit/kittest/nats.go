package kittest

import (
	"fmt"
	"net"
	"strconv"
	"testing"
)

// NATSProgram starts the program nats-server with JetStream and returns its URL. It ends with the test.
func NATSProgram(t testing.TB, program string) string {
	t.Helper()
	dir := folder(t, "nats")
	port := freePort(t)
	p := spawn(t, dir, nil, program, "--addr", "127.0.0.1", "--port", strconv.Itoa(port), "--jetstream", "--store_dir", dir)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p.until(t, func() bool { return answers(addr) })
	return "nats://" + addr
}

// answers reports whether somebody listens there.
func answers(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
