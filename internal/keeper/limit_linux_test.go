package keeper

import (
	"os/exec"
	"testing"
	"time"
)

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) b) S 1 12 12 0 -1 4194560 10 0 0 0 1 2 3 4 20 0 1 0 777 1 2"))
	f.Add([]byte("12 () S"))
	f.Fuzz(func(t *testing.T, b []byte) { parseStat(12, b) })
}

func TestParseStat(t *testing.T) {
	p, err := parseStat(12, []byte("12 (a) S 9 (b) R 1 11 12 0 -1 4194560 10 0 0 0 100 200 3 4 20 0 1 0 777 1 2"))
	if err != nil || p.Parent != 1 || p.Group != 11 || p.Start != 777 || p.CPU != 3*time.Second || p.Zombie {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestWatch is the bound of memory for one who may not make control groups.
func TestWatch(t *testing.T) {
	c := exec.Command("sleep", "100")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	var roomy, tight limit
	roomy.watch(1 << 40)
	tight.watch(1)
	defer roomy.close()
	defer tight.close()
	select {
	case <-tight.exceeded:
	case <-roomy.exceeded:
		t.Error("far below the limit")
	case <-time.After(30 * time.Second):
		t.Error("no word of more than one byte")
	}
}
