package resource_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// loopbackOnly checks that no process of a group listens where other machines could reach it (C6).
func loopbackOnly(t *testing.T, pgid int) {
	t.Helper()
	sockets := map[string]bool{}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
		if g, err := syscall.Getpgid(pid); err != nil || g != pgid {
			continue
		}
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "socket:[") {
			sockets[strings.Trim(to, "socket:[]")] = true
		}
	}
	if len(sockets) == 0 {
		t.Errorf("process group %d has no sockets at all", pgid)
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for addr, inode := range listeners(t, table) {
			if sockets[inode] && !addr.IP.IsLoopback() {
				t.Errorf("listens on %s", addr.String())
			}
		}
	}
}

// marked checks that a server still shows the environment that it was started with: msctl knows its
// processes by it.
func marked(t *testing.T, pid int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !strings.Contains(string(b), "LANG=C.UTF-8") {
		t.Errorf("process %d hides its environment: %q, %v", pid, b, err)
	}
}

// listeners returns the listening addresses of one of the kernel's tables with their inodes.
func listeners(t *testing.T, table string) map[*net.TCPAddr]string {
	t.Helper()
	f, err := os.Open(table)
	if err != nil {
		return nil // no IPv6
	}
	defer f.Close()
	found := map[*net.TCPAddr]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 10 || words[3] != "0A" {
			continue
		}
		ip, port, _ := strings.Cut(words[1], ":")
		b, err := hex.DecodeString(ip)
		if err != nil {
			t.Fatal(err)
		}
		for word := range slices.Chunk(b, 4) {
			slices.Reverse(word) // each in the machine's order
		}
		a := &net.TCPAddr{IP: b}
		fmt.Sscanf(port, "%x", &a.Port)
		found[a] = words[9]
	}
	return found
}
