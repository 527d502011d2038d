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
	var found []finding
	var causes []string
	for _, r := range p.stack.Resources {
		f, rejected := examineResource(p.stack, r, p.machine)
		found = append(found, f)
		for _, no := range rejected {
			if no.Cause != "" {
				causes = append(causes, no.Cause)
			}
		}
	}
	for _, cause := range once(causes) {
		found = append(found, finding{Area: "resources", Name: "registry", Text: cause})
	}
	if _, err := resource.Resolve(p.stack, p.machine, string(resource.Auto)); err != nil {
		_, p.cure = cannotRun(err)
	}
	return found
}

func examineResource(st *stack.Stack, r *stack.Resource, m resource.Machine) (f finding, rejected []resource.Rejected) {
	one := *st
	one.Resources = []*stack.Resource{r}
	f = finding{Area: "resources", Name: r.Name}
	choices, err := resource.Resolve(&one, m, string(resource.Auto))
	var none *resource.CannotRun
	switch {
	case errors.As(err, &none) && len(none.Missing) > 0:
		rejected = none.Missing[0].Rejected
		f.Bad, f.Text = true, "nothing here can run "+r.Type+rejections(rejected)
	case err != nil:
		f.Bad, f.Text = true, err.Error()
	default:
		c := choices[0]
		rejected = c.Rejected
		f.OK, f.Text = true, c.Backing()+" ("+c.Reason+")"+rejections(rejected)
	}
	return f, rejected
}

func rejections(all []resource.Rejected) string {
	var b strings.Builder
	for _, no := range all {
		fmt.Fprintf(&b, "; not %s: %s", no.Runtime, no.Reason)
	}
	return b.String()
}

// cannotRun takes the hint out of what [resource.CannotRun] says.
func cannotRun(err error) (text, hint string) {
	text, hint, _ = strings.Cut(err.Error(), "\nhint: ")
	return text, hint
}
