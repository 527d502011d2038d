package process

import (
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
)

func TestSimple(t *testing.T) {
	r := newRig(t)
	u := r.unit("a", "silent")
	begun := time.Now()
	l := r.run(u)
	s := l.up()
	t.Logf("started after %v: %+v", time.Since(begun), s)
	r.prints(u, "ready")
	begun = time.Now()
	l.stop(nil)
	e := l.wait()
	t.Logf("stopped after %v: %+v %v", time.Since(begun), e, l.err)
	if !e.OK() || !e.Asked || l.err != nil {
		t.Errorf("exit %+v, %v", e, l.err)
	}
	r.none()

	l = r.run(r.unit("b", "exit", "7"))
	if e := l.wait(); e.Code != 7 || e.Asked || l.err != nil {
		t.Errorf("exit %+v, %v", e, l.err)
	}
	lines, err := output.Tail(r.logs+"/b", 5)
	if err != nil || len(lines) != 2 || string(lines[0].Text) != "bye" {
		t.Errorf("log %v, %v", lines, err)
	}
	u = r.unit("c")
	u.Argv = []string{"no-such-program"}
	l = r.run(u)
	l.wait()
	t.Log(l.err)
	if l.err == nil {
		t.Error("started nothing")
	}
	_ = driver.Exit{}
}
