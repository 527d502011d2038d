package keeper

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProcesses(t *testing.T) {
	all, err := Processes()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(p Process) bool { return p.PID == os.Getpid() })
	if i < 0 || all[i].Parent != os.Getppid() || all[i].Start == 0 {
		t.Fatalf("this process is not in the table: %v", i)
	}
	if private, shared := Memory(os.Getpid()); private+shared < 1<<20 {
		t.Errorf("memory %d, %d", private, shared)
	}
}

// TestIdentity is A15: a signal reaches that very process or nobody.
func TestIdentity(t *testing.T) {
	c := exec.Command("sleep", "100")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Self(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []Identity{
		{PID: id.PID, Start: id.Start + 1, Boot: id.Boot}, {PID: id.PID, Start: id.Start, Boot: "other"},
		{Start: id.Start, Boot: id.Boot}, {PID: -1, Start: id.Start, Boot: id.Boot},
	} {
		if wrong.Alive() || wrong.Send(unix.SIGKILL) != unix.ESRCH {
			t.Errorf("%+v was taken for %+v", wrong, id)
		}
	}
	if !id.Alive() {
		t.Fatal("a bystander was killed")
	}
	if tree := descendants(os.Getpid()); !slices.ContainsFunc(tree, func(p Process) bool { return p.PID == id.PID }) {
		t.Errorf("not below this process: %v", tree)
	}
	if err := id.Send(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if id.Alive() || id.Send(unix.SIGKILL) != unix.ESRCH {
		t.Error("alive after its end")
	}
}

func TestTree(t *testing.T) {
	table := Table{{PID: 1}, {PID: 2, Parent: 1}, {PID: 3, Parent: 2}, {PID: 4, Parent: 3, Zombie: true}, {PID: 5, Parent: 4}, {PID: 6, Parent: 1}}
	var got []int
	for _, p := range table.Tree(2) {
		got = append(got, p.PID)
	}
	if !slices.Equal(got, []int{3, 5}) {
		t.Errorf("below 2: %v", got)
	}
}

func TestEnviron(t *testing.T) {
	e := Environ("A=1\x00MSCTL_STACK_ID=x=y\x00NOT_A=2\x00")
	if v, ok := e.Lookup("MSCTL_STACK_ID"); v != "x=y" || !ok {
		t.Errorf("%q, %v", v, ok)
	}
	if _, ok := e.Lookup("STACK_ID"); ok {
		t.Error("found a part of a name")
	}
	got := WithMarkers([]string{"A=1", "MSCTL_UNIT=old", "MSCTL_KEEPER_GRACE=1s"}, "s", "u")
	if want := []string{"A=1", "MSCTL_STACK_ID=s", "MSCTL_UNIT=u"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestExact is K4: every byte survives.
func TestExact(t *testing.T) {
	want := Exact{"A=\xff\x01\n\"$X", "", "B=é"}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Exact
	if err := json.Unmarshal(b, &got); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}
