package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// tellLacks prints what lacks says.
func (a *App) tellLacks(ctx context.Context, c *control.Client, o *upOptions) error {
	lacks, err := a.lacks(ctx, c, o)
	for _, text := range lacks {
		fmt.Fprintln(a.Err, a.aimed(text))
	}
	return err
}

// lacks says in what the running fleet is another than this `up` asks for, and how to get it.
func (a *App) lacks(ctx context.Context, c *control.Client, o *upOptions) ([]string, error) {
	var lacks []string
	if o.watch && !c.Info().Watch {
		again := "msctl up --watch"
		if o.detach {
			again += " -d"
		}
		lacks = append(lacks, "--watch is not on there: `msctl down` and then `"+again+"` turns it on")
	}
	snap, err := c.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if o.runtime != runtimes[0] && snap.Runtime != "" && snap.Runtime != o.runtime {
		lacks = append(lacks, fmt.Sprintf("its servers were chosen with --runtime %s: `msctl down` and then `msctl up --runtime %s` changes it", snap.Runtime, o.runtime))
	}
	st, err := a.load("")
	if err != nil {
		return nil, err
	}
	asked, err := st.Select(o.services, o.profile, o.noDeps)
	if err != nil {
		return nil, err
	}
	if text := differs(runs(snap), asked, o); text != "" {
		lacks = append(lacks, text)
	}
	return lacks, nil
}

// runs returns the services of a fleet.
func runs(snap state.Snapshot) []string {
	var services []string
	for _, u := range snap.Units {
		if talks(u) {
			services = append(services, u.Service)
		}
	}
	return once(services)
}

// differs says which services of an `up` the running fleet leaves out, for it was started with a profile or
// with names, or which it runs that were not asked for. It is "" where it runs just what is asked for.
func differs(running []string, asked *stack.Stack, o *upOptions) string {
	var left []string
	more := slices.Clone(running)
	for _, s := range asked.Services {
		more = slices.DeleteFunc(more, func(name string) bool { return name == s.Name })
		if !slices.Contains(running, s.Name) {
			left = append(left, s.Name)
		}
	}
	switch {
	case len(o.services) > 0 && len(more) > 0:
		return fmt.Sprintf("it runs %s too", list(more))
	case len(left) > 0:
		return fmt.Sprintf("it runs %s, without %s: `msctl start %s` adds what is missing", list(running), list(left), strings.Join(left, " "))
	case len(more) > 0:
		return fmt.Sprintf("it runs %s too, which are not in profile %s: `msctl down` and then `msctl up --profile %s` leaves them out", list(more), o.profile, o.profile)
	}
	return ""
}
