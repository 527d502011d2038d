package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/internal/driver/container"
	"msctl.dev/msctl/internal/keeper"
)

// examineChaos says which faults on what runs this machine can do, and what is left of some. Faults on edges
// need nothing.
func examineChaos(ctx context.Context, p *patient) []finding {
	found := []finding{
		{Area: "chaos", Name: "processes", OK: true, Text: "kill, pause, restart, memory: by signals to the stack's own processes"},
		{Area: "chaos", Name: "cpu", OK: true, Text: "a control group bounds the CPU of a process"},
		{Area: "chaos", Name: "containers", OK: true, Text: "kill, pause, disconnect, cpu, memory: by the engine"},
		{Area: "chaos", Name: "netem", OK: true, Text: "the kernel delays and loses packets of containers"},
	}
	if _, err := keeper.NewBound("probe", "probe", os.Getpid(), os.Getpid(), 1); err != nil {
		found[1].OK = false
		found[1].Text = fmt.Sprintf("no control group (%v): a process is stopped now and then instead", err)
	}
	if p.machine.Engine != nil {
		for i := range found[2:] {
			found[2+i].OK, found[2+i].Text = false, p.machine.Engine.Error()
		}
	} else if err := container.Netem(ctx); err != nil {
		found[3].OK, found[3].Text = false, strings.TrimPrefix(err.Error(), "netem: ")+"; latency on an edge needs none"
	}
	if p.place.dir == "" {
		return found
	}
	if left, _ := filepath.Glob(filepath.Join(p.place.state(), "upsets", "*.json")); len(left) > 0 {
		if c, err := p.place.connect(ctx); err == nil {
			c.Close() // the fleet will undo it
		} else {
			found = append(found, finding{Area: "chaos", Name: "left over", Text: count(len(left), "effect") + " of faults of a killed fleet: `msctl chaos heal` undoes them"})
		}
	}
	return found
}
