package fleet

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/driver/drivertest"
)

// TestPortOfRunningStack is C1: a fixed port that the running copy of this very stack holds is its own,
// which a dry run finds; another stack that holds it is named with what to do there.
func TestPortOfRunningStack(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	o := options(t, listening(t.TempDir(), port), &drivertest.Fake{})
	running := Running{ID: o.ID, PID: os.Getpid(), Name: "shop", Dir: "/src/shop"}
	o.Running = func(context.Context) []Running { return []Running{{ID: "x", PID: 1}, running} }
	if got := ports(t, o)["a/http"]; got != port {
		t.Errorf("a/http has %d, want %d, which this stack holds", got, port)
	}
	running.ID = "another"
	_, err = NewPlan(t.Context(), o)
	var taken *PortTaken
	if !errors.As(err, &taken) {
		t.Fatalf("got %v, want a taken port", err)
	}
	if want := "port " + strconv.Itoa(port) + " of a is held for stack shop in /src/shop"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %q, want %q", err, want)
	}
	if hint := taken.Hint(); !strings.Contains(hint, "`msctl down` there") {
		t.Errorf("hint %q", hint)
	}
}

func TestWhose(t *testing.T) {
	all := []Running{{ID: "a", PID: 7}, {ID: "b", PID: 8}}
	for _, c := range []struct {
		pid        int
		mark, want string
	}{{8, "", "b"}, {9, "a", "a"}, {9, "c", ""}, {9, "", ""}} {
		if r, ok := whose(all, c.pid, c.mark); r.ID != c.want || ok != (c.want != "") {
			t.Errorf("process %d with mark %q is of %q, %t", c.pid, c.mark, r.ID, ok)
		}
	}
	if id := markOf([]string{"A=b", marker + "c"}); id != "c" {
		t.Errorf("mark %q", id)
	}
}
