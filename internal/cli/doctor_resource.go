package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// examineResources resolves each resource by itself. What a registry answers is long and the same for
// each, so it is said once, at the end.
func examineResources(_ context.Context, p *patient) []finding {
	if p.stack == nil {
		return nil
	}
	m, refused := withoutCauses(p.machine)
	var found []finding
	for _, r := range p.stack.Resources {
		found = append(found, examineResource(p.stack, r, m))
	}
	for _, cause := range refused() {
		found = append(found, finding{Area: "resources", Name: "registry", Text: cause})
	}
	if _, err := resource.Resolve(p.stack, m, string(resource.Auto)); err != nil {
		_, p.cure = cannotRun(err)
	}
	return found
}

func examineResource(st *stack.Stack, r *stack.Resource, m resource.Machine) finding {
	one := *st
	one.Resources = []*stack.Resource{r}
	f := finding{Area: "resources", Name: r.Name}
	choices, err := resource.Resolve(&one, m, string(resource.Auto))
	var none *resource.CannotRun
	switch {
	case errors.As(err, &none) && len(none.Missing) > 0:
		f.Bad, f.Text = true, "nothing here can run "+r.Type+rejections(none.Missing[0].Rejected)
	case err != nil:
		f.Bad, f.Text = true, err.Error()
	default:
		c := choices[0]
		f.OK, f.Text = true, c.Backing()+" ("+c.Reason+")"+rejections(c.Rejected)
	}
	return f
}

func rejections(all []resource.Rejected) string {
	var b strings.Builder
	for _, no := range all {
		fmt.Fprintf(&b, "; not %s: %s", no.Runtime, no.Reason)
	}
	return b.String()
}

// withoutCauses is a machine that says of an image only that it cannot be had; refused returns why, each
// cause once.
func withoutCauses(m resource.Machine) (short resource.Machine, refused func() []string) {
	var causes []string
	if fetch := m.Fetch; fetch != nil {
		m.Fetch = func(image string) error {
			err := fetch(image)
			if cause := errors.Unwrap(err); cause != nil {
				causes = append(causes, cause.Error())
				return fmt.Errorf("image %s is not here and cannot be had", image)
			}
			return err
		}
	}
	return m, func() []string { return once(causes) }
}

// cannotRun takes the hint out of what [resource.CannotRun] says.
func cannotRun(err error) (text, hint string) {
	text, hint, _ = strings.Cut(err.Error(), "\nhint: ")
	return text, hint
}
