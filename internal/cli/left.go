package cli

import "msctl.dev/msctl/internal/keeper"

// leftOver counts the processes that carry the mark of a running stack.
func leftOver(id string) int {
	all, err := keeper.Processes()
	if err != nil {
		return 0
	}
	n := 0
	for _, p := range all {
		if mark, ok := p.Environ().Lookup(keeper.EnvStack); ok && mark == id {
			n++
		}
	}
	return n
}
