package fleet

import (
	"context"
	"fmt"
	"slices"

	"msctl.dev/msctl/internal/stack"
)

// widen adds services and resources to the fleet that its profile, or the names that it was made for, left
// out. Names that the stack does not have are left for others to refuse.
func (f *Fleet) widen(ctx context.Context, names []string) error {
	if err := f.claim(ctx); err != nil {
		return err
	}
	defer func() { <-f.changing }()
	o := f.options()
	left := f.leftOut(o, names)
	if len(left) == 0 {
		return nil
	}
	o.Services = slices.Concat(o.Services, left)
	if err := f.change(ctx, o, f.scaled()); err != nil {
		return fmt.Errorf("add %s: %w", list(left), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.o.Services = o.Services // a reload keeps them
	return nil
}

// leftOut returns those of names that the stack has and this fleet does not.
func (f *Fleet) leftOut(o Options, names []string) []string {
	if o.Profile == "" && len(o.Services) == 0 {
		return nil
	}
	var left []string
	for _, name := range names {
		known := o.Stack.Service(name) != nil ||
			slices.ContainsFunc(o.Stack.Resources, func(r *stack.Resource) bool { return r.Name == name })
		if known && len(f.group(name)) == 0 && !slices.Contains(left, name) {
			left = append(left, name)
		}
	}
	return left
}
