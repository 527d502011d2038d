package kittest

import (
	"fmt"
	"strconv"
	"testing"
)

// RedisServer starts the program redis-server and returns its URL. It ends with the test.
func RedisServer(t testing.TB, program string) string {
	t.Helper()
	dir := folder(t, "redis")
	port := freePort(t)
	p := spawn(t, dir, nil, program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no")
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p.until(t, func() bool { return answers(addr) })
	return "redis://" + addr + "/0"
}
