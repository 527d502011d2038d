package drivertest

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
)

// play makes the fake do the acts of the suite.
func play(u driver.Unit, _ int) Behaviour {
	ready := []string{"ready"}
	act, arg := Act(u.Argv[0]), u.Argv[1]
	switch act {
	case Ignore:
		return Behaviour{Output: ready, Stubborn: true}
	case Exit:
		code, _ := strconv.Atoi(arg)
		return Behaviour{Output: []string{"bye"}, After: 1, Exit: driver.Exit{Code: code}}
	case Die:
		return Behaviour{After: 1, Exit: driver.Exit{Signal: "KILL"}}
	case Lines:
		b := Behaviour{After: time.Millisecond}
		n, _ := strconv.Atoi(arg)
		for i := range n {
			b.Output = append(b.Output, fmt.Sprintf("line %d", i+1))
		}
		return b
	case Env:
		for _, v := range u.Env {
			if len(v) > len(arg) && v[:len(arg)+1] == arg+"=" {
				return Behaviour{Output: []string{fmt.Sprintf("%q", v[len(arg)+1:]), "ready"}}
			}
		}
	case Absent:
		return Behaviour{Fail: fmt.Errorf("no such program")}
	}
	return Behaviour{Output: ready}
}

func TestFake(t *testing.T) {
	Run(t, Suite{
		New: func(t *testing.T) driver.Driver {
			f := &Fake{Behave: play}
			t.Cleanup(func() { f.Sweep(t.Context(), false) })
			return f
		},
		Unit: func(t *testing.T, name string, a Act, arg string) driver.Unit {
			return driver.Unit{Name: name, Argv: []string{string(a), arg}, Grace: time.Minute, LogDir: t.TempDir()}
		},
	})
}
