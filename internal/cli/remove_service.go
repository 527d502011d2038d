package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/stack"
)

func newRemoveService(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service NAME",
		Short: "Take a service out of stack.yaml; its code stays",
		Long: "service lists what still refers to the service, each with its line, and then changes nothing and exits\n" +
			"with 1. --force takes these references away too: names in calls, after, weights and profiles, variables, and\n" +
			"routes of a gateway. The folder of the code stays, and is named.",
		Example:           "  msctl remove service billing\n  msctl remove service billing --force\n  msctl remove service billing --force --dry-run",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeOne,
	}
	force := cmd.Flags().Bool("force", false, "take away what refers to it too")
	r := a.revisingFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		return r.removeService(cmd.Context(), words[0], *force)
	}
	return cmd
}

// jsonMention is a place that refers to a service, under --json.
type jsonMention struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

func (r revising) removeService(ctx context.Context, name string, force bool) error {
	st, err := r.app.load("")
	if err != nil {
		return err
	}
	if st.Resource(name) != nil {
		return usage("take it out of stack.yaml by hand", "remove service %s: it is a resource", name)
	}
	if err := checkNames([]string{name}, namesOf(st.Services)); err != nil {
		return err
	}
	routes, without, err := routesTo(st, name)
	if err != nil {
		return err
	}
	r.beside = without
	out := jsonRevision{Action: "remove service", Name: name, Left: st.Service(name).Path}
	touched := []string{name}
	for _, e := range st.Edges {
		if e.To == name {
			touched = append(touched, e.From)
		}
	}
	told := func(*stack.Revision) string {
		if out.Left == "" {
			return "removed service " + name
		}
		return fmt.Sprintf("removed service %s; its code stays in %s", name, clean(out.Left))
	}
	return r.apply(ctx, out, touched, told, func(_ *stack.Stack, ds []*stack.Document) error {
		return r.takeOut(name, ds, routes, force)
	})
}

// takeOut removes a service from each file that has it, and with force what refers to it.
func (r revising) takeOut(name string, ds []*stack.Document, routes []jsonMention, force bool) error {
	var all []string
	var said []jsonMention
	for _, d := range ds {
		for _, m := range d.Mentions(name) {
			all = append(all, m.Pos.String()+": "+m.What)
			said = append(said, jsonMention{m.Pos.File, m.Pos.Line, m.What})
		}
	}
	for _, m := range routes {
		all = append(all, fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Text))
	}
	for _, m := range slices.Concat(said, routes) {
		if *r.json && !force {
			if err := writeJSON(r.app.Out, "mention", m); err != nil {
				return err
			}
		}
	}
	if len(all) > 0 && !force {
		return failed("--force takes these away too", "remove service %s: it is still referred to\n%s", name, strings.Join(all, "\n"))
	}
	for _, d := range ds {
		if err := forget(d, name); err != nil {
			return err
		}
		if d.Says("services", name) {
			if err := d.RemoveService(name); err != nil {
				return err
			}
		}
	}
	for _, what := range all {
		if *r.dryRun {
			break // the diff shows it
		}
		fmt.Fprintf(r.app.Err, "removed with it: %s\n", clean(what))
	}
	return nil
}

// forget takes every mention of a service away. Each time one is gone the others have moved.
func forget(d *stack.Document, name string) error {
	for all := d.Mentions(name); len(all) > 0; {
		if err := d.RemoveMention(all[0]); err != nil {
			return fmt.Errorf("remove what refers to %s: %w", name, err)
		}
		left := d.Mentions(name)
		if len(left) >= len(all) {
			return failed("take it away by hand", "remove what refers to %s: %s stays", name, all[0].What)
		}
		all = left
	}
	return nil
}
