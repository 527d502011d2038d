package kittest

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
)

// RedisServer starts the program redis-server and returns its URL. It ends with the test.
func RedisServer(t testing.TB, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	spawn(t, dir, nil, program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no")
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	Eventually(t, "redis", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "redis://" + addr + "/0"
}
