package fleet

import (
	"slices"
	"sync"

	"msctl.dev/msctl/internal/stack"
)

// veil hides the secrets of a fleet: those of every plan that it followed, for what ran with an old one may
// print it late. The zero value hides nothing. It is safe for concurrent use.
type veil struct {
	mu       sync.RWMutex // guards the rest
	values   []string
	redactor *stack.Redactor
}

// hide adds values.
func (v *veil) hide(values []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := slices.Concat(v.values, values)
	slices.Sort(all)
	v.values = slices.Compact(all)
	v.redactor = stack.NewRedactor(v.values...)
}

func (v *veil) text(s string) string {
	v.mu.RLock()
	r := v.redactor
	v.mu.RUnlock()
	return r.Text(s)
}

func (v *veil) hidden() []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.Clone(v.values)
}

// Mask returns text with every secret of the fleet masked.
func (f *Fleet) Mask(text string) string { return f.veil.text(text) }

// hides lists what the plan's units are given and nobody else is to see.
func (p *planner) hides() []string {
	values := []string{p.secret}
	if p.secrets != nil {
		values = append(values, p.secrets.Values(p.o.Stack)...)
	}
	for _, s := range p.servers {
		values = append(values, s.Passwords(p.places[s.Name])...)
	}
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}
