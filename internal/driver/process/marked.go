package process

import (
	"os"
	"time"

	"msctl.dev/msctl/internal/keeper"
)

// marked is a process of this stack.
type marked struct {
	keeper.Process
	unit   string
	keeper bool
	grace  time.Duration // of a keeper
}

// marked returns the living processes that carry the stack's marker. This process and those above it are
// left out: msctl may have been started from inside a service.
func (d *Driver) marked() ([]marked, error) {
	all, err := keeper.Processes()
	if err != nil {
		return nil, err
	}
	return d.pick(all), nil
}

func (d *Driver) pick(all keeper.Table) (out []marked) {
	own := ancestors(all)
	for _, p := range all {
		if p.Zombie || own[p.PID] {
			continue
		}
		env := p.Environ()
		if stack, ok := env.Lookup(keeper.EnvStack); !ok || stack != d.Stack {
			continue
		}
		m := marked{Process: p}
		m.unit, _ = env.Lookup(keeper.EnvUnit)
		grace, isKeeper := env.Lookup(keeper.EnvKeeper)
		m.keeper = isKeeper
		m.grace, _ = time.ParseDuration(grace)
		out = append(out, m)
	}
	return out
}

func ancestors(all keeper.Table) map[int]bool {
	parent := map[int]int{}
	for _, p := range all {
		parent[p.PID] = p.Parent
	}
	out := map[int]bool{}
	for pid := os.Getpid(); pid > 0 && !out[pid]; pid = parent[pid] {
		out[pid] = true
	}
	return out
}

// everything returns what carries the marker and what lives below a keeper without it.
func (d *Driver) everything() ([]marked, error) {
	all, err := keeper.Processes()
	if err != nil {
		return nil, err
	}
	out := d.pick(all)
	in := map[int]bool{}
	for _, m := range out {
		in[m.PID] = true
	}
	for _, m := range out {
		if !m.keeper {
			continue
		}
		for _, p := range all.Tree(m.PID) {
			if !in[p.PID] {
				in[p.PID] = true
				out = append(out, marked{Process: p, unit: m.unit})
			}
		}
	}
	return out, nil
}
