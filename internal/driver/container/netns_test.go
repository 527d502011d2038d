package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/driver"
)

// TestNetwork opens the network of a container, and refuses every one that is not the container's (H10).
func TestNetwork(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	proc := t.TempDir()
	for path, text := range map[string]string{
		"self/ns/net": "", "7/ns/net": "", "7/cgroup": "0::/system.slice/docker-" + id + ".scope\n",
		"8/ns/net": "", "8/cgroup": "0::/user.slice\n", "10/ns/net": "", "11/cgroup": "0::/docker/" + id + "\n",
	} {
		path = filepath.Join(proc, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	shared := filepath.Join(proc, "9", "ns", "net")
	if err := errors.Join(os.MkdirAll(filepath.Dir(shared), 0o700), os.Symlink("../../self/ns/net", shared),
		os.WriteFile(filepath.Join(proc, "9", "cgroup"), []byte("0::/docker/"+id+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	ns, err := openNetwork(proc, id, 7)
	if err != nil {
		t.Fatal(err)
	}
	ns.Close()
	for pid, want := range map[int]string{
		0: "no process", -1: "no process", 8: "not the container's", 9: "this machine's own network",
		10: "whose process", 11: "open the container's network", 12: "open the container's network",
	} {
		if ns, err := openNetwork(proc, id, pid); ns != nil || !errors.Is(err, driver.ErrCannot) || !strings.Contains(err.Error(), want) {
			t.Errorf("pid %d: %v, want %q", pid, err, want)
		}
	}
	if ns, err := openNetwork("/proc", id, os.Getpid()); ns != nil || !errors.Is(err, driver.ErrCannot) {
		t.Errorf("this process: %v", err)
	}
}

// TestNetworkOfContainer opens that of a real one, by what the engine says of it.
func TestNetworkOfContainer(t *testing.T) {
	d := newDriver(t)
	id := start(t, d, shell(t, "svc", "sleep 1000")).up(t).Container
	c, err := d.link.Load().cli.ContainerInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/ns/net"); err != nil {
		t.Skip(err) // the engine runs in a machine of its own
	}
	ns, err := openNetwork("/proc", id, c.State.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ns.Close()
}
