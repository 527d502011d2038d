package process

import (
	"context"
	"maps"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
)

// Sample implements [driver.Sampler] in one pass over the process table. Memory is what each process has
// alone, and once the most that any of them shares: close to PSS at a tenth of its price.
func (d *Driver) Sample(_ context.Context, units []string) (map[string]driver.Usage, error) {
	d.mu.Lock()
	keepers := maps.Clone(d.keepers)
	d.mu.Unlock()
	all, err := keeper.Processes()
	if err != nil {
		return nil, err
	}
	trees := all.Trees()
	out := make(map[string]driver.Usage, len(units))
	for _, name := range units {
		if id, ok := keepers[name]; ok {
			out[name] = usage(trees, id.PID)
		}
	}
	return out, nil
}

// usage adds up the tree below a keeper, with what ended in it.
func usage(trees keeper.Trees, root int) (u driver.Usage) {
	var shared int64
	u.CPU = trees.Of(root).ReapedCPU
	for _, p := range trees.Below(root) {
		alone, with := keeper.Memory(p.PID)
		u.Memory += alone
		shared = max(shared, with)
		u.CPU += p.CPU + p.ReapedCPU
		u.Processes++
	}
	u.Memory += shared
	return u
}
