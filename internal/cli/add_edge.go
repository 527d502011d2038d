package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/stack"
)

func newAddEdge(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "edge FROM:TO[:PROTOCOL]",
		Short: "Let a service call another one, or use a resource",
		Long: "edge adds TO to what FROM calls, or uses where TO is a resource. FROM is then given the address of TO,\n" +
			"such as BILLING_URL. PROTOCOL is a port of TO by name, such as grpc; the default is http, or the only one.\n" +
			"Exit code 1 if the edge is there already, 2 if it cannot be read or stack.yaml would be wrong with it, such\n" +
			"as by a cycle, 3 if stack.yaml is wrong already.",
		Example:           "  msctl add edge orders:billing\n  msctl add edge orders:payments:grpc\n  msctl add edge billing:cache --dry-run",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeEdge,
	}
	r := a.revisingFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		e, err := readEdge(words[0])
		if err != nil {
			return err
		}
		return r.addEdge(cmd.Context(), e)
	}
	return cmd
}

// readEdge reads "orders:payments:grpc".
func readEdge(word string) (stack.Edge, error) {
	parts := strings.Split(word, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return stack.Edge{}, usage("write FROM:TO or FROM:TO:PROTOCOL, such as orders:payments:grpc", "read %q: not an edge", word)
	}
	for _, p := range parts {
		if !validName(p) {
			return stack.Edge{}, usage("small letters, digits and -", "read %q: %q is not a name", word, p)
		}
	}
	e := stack.Edge{From: parts[0], To: parts[1]}
	if len(parts) == 3 {
		e.Protocol = parts[2]
	}
	return e, nil
}

func (r revising) addEdge(ctx context.Context, e stack.Edge) error {
	verb := "calls"
	told := func(rev *stack.Revision) string {
		return fmt.Sprintf("%s now %s %s, at %s", e.From, verb, e.To, placed(rev.New.Service(e.From).Pos))
	}
	return r.apply(ctx, jsonRevision{Action: "add edge", Name: e.String()}, []string{e.From}, told,
		func(old *stack.Stack, ds []*stack.Document) error {
			if err := edgeEnds(old, e); err != nil {
				return err
			}
			if old.Resource(e.To) != nil {
				verb = "uses"
				return editing(ds, e.From, verb).AddUse(e.From, e.To)
			}
			return editing(ds, e.From, verb).AddCall(e.From, e.To, e.Protocol)
		})
}

// edgeEnds refuses an edge between what the stack does not have.
func edgeEnds(st *stack.Stack, e stack.Edge) error {
	if st.Service(e.From) == nil && st.Resource(e.From) != nil {
		return usage("", "add edge %s: %s is a resource, and calls nothing", e, e.From)
	}
	if err := checkNames([]string{e.From}, namesOf(st.Services)); err != nil {
		return err
	}
	known := namesOf(st.Services)
	for _, r := range st.Resources {
		known = append(known, r.Name)
	}
	if err := checkNames([]string{e.To}, known); err != nil {
		return err
	}
	if e.Protocol != "" && st.Resource(e.To) != nil {
		return usage("write "+e.String(), "add edge %s: a resource has its own protocol", e)
	}
	return sameEdge(st.Service(e.From), e)
}

// sameEdge refuses an edge that is there already.
func sameEdge(from *stack.Service, e stack.Edge) error {
	for _, c := range from.Calls {
		if c.To == e.To && (e.Protocol == "" || e.Protocol == c.Protocol) {
			return failed("", "add edge %s: %s calls %s already, at %s", e, e.From, e.To, placed(c.Pos))
		}
	}
	if slices.Contains(from.Uses, e.To) {
		return failed("", "add edge %s: %s uses %s already, at %s", e, e.From, e.To, placed(from.Pos))
	}
	return nil
}

// editing returns the file in which a key of a service is written: the last that says it, since later files
// replace lists; else the first that has the service.
func editing(ds []*stack.Document, service, key string) *stack.Document {
	for i := len(ds) - 1; i >= 0; i-- {
		if ds[i].Says("services", service, key) {
			return ds[i]
		}
	}
	for _, d := range ds {
		if d.Says("services", service) {
			return d
		}
	}
	return ds[0]
}

// completeEdge completes "orders:payments".
func (a *App) completeEdge(_ *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	st, err := a.load("")
	if err != nil || len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	from, to, chosen := strings.Cut(begun, ":")
	for _, s := range a.serviceNames() {
		switch {
		case chosen && s != from && strings.HasPrefix(s, to):
			out = append(out, from+":"+s)
		case !chosen && strings.HasPrefix(s, from) && st.Service(s) != nil:
			out = append(out, s+":")
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
