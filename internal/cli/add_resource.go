package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// resourceOptions are the flags of `add resource`.
type resourceOptions struct {
	kind, embedded, image, runtime string
	dedicated                      bool
}

func newAddResource(a *App) *cobra.Command {
	o := &resourceOptions{}
	cmd := &cobra.Command{
		Use:   "resource NAME",
		Short: "Add a database, broker, cache or mail server to stack.yaml",
		Long: "resource adds a backing server below the others. A service that uses it is given its address: see\n" +
			"`msctl add edge SERVICE:NAME`. Exit code 1 if the name is taken, 2 if a flag is wrong, 3 if stack.yaml is.",
		Example: "  msctl add resource cache --type redis\n" +
			"  msctl add resource orders-db --type postgres --embedded sqlite\n" +
			"  msctl add resource broker --type rabbitmq --dry-run",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.StringVar(&o.kind, "type", "", "`KIND` of server: "+strings.Join(kindNames(), ", "))
	f.StringVar(&o.embedded, "embedded", "", "what `SERVER` runs where there is neither a container engine nor an installed one")
	f.StringVar(&o.image, "image", "", "container `IMAGE` (default: the type's own)")
	f.StringVar(&o.runtime, "runtime", "", "always run it as a container, native or embedded")
	f.BoolVar(&o.dedicated, "dedicated", false, "a server of its own")
	completeFlag(cmd, "type", kindNames())
	completeFlag(cmd, "runtime", []string{"container", "native", "embedded"})
	r := a.revisingFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		name := words[0]
		if err := o.check(name); err != nil {
			return err
		}
		told := func(rev *stack.Revision) string {
			return "added resource " + name + " at " + placed(rev.New.Resource(name).Pos)
		}
		return r.apply(cmd.Context(), jsonRevision{Action: "add resource", Name: name}, []string{name}, told,
			func(old *stack.Stack, ds []*stack.Document) error {
				if err := freeName(old, name); err != nil {
					return err
				}
				return ds[0].AddResource(name, o.line())
			})
	}
	return cmd
}

// completeFlag completes a flag by one of a few words.
func completeFlag(cmd *cobra.Command, flag string, words []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic("complete a flag: " + err.Error()) // there is no such flag, or it has a completion
	}
}

// check refuses what the kinds of resources do not know.
func (o *resourceOptions) check(name string) error {
	if !validName(name) {
		return usage("small letters, digits and -", "read name: %q is not a name", name)
	}
	if o.kind == "" {
		return usage("--type is one of "+strings.Join(kindNames(), ", "), "add resource %s: no type is said", name)
	}
	kind := resource.Find(o.kind)
	if kind == nil {
		hint := "it is one of " + strings.Join(kindNames(), ", ")
		if near := nearest(o.kind, kindNames()); near != "" {
			hint = "did you mean " + near + "?"
		}
		return usage(hint, "read --type: there is no kind %q", o.kind)
	}
	if o.kind == resource.Container.Name && o.image == "" {
		return usage("say --image", "add resource %s: a container has no image of its own", name)
	}
	if servers := embeddedServers(kind); o.embedded != "" && !slices.Contains(servers, o.embedded) {
		hint := "leave it away"
		if len(servers) > 0 {
			hint = "it is one of " + list(servers)
		}
		return usage(hint, "read --embedded: a %s cannot be %q when embedded", o.kind, o.embedded)
	}
	return nil
}

// embeddedServers is what `embedded:` may say of a kind.
func embeddedServers(kind *resource.Kind) []string {
	var out []string
	for _, rec := range slices.Concat(kind.StandIn, kind.Recipes) {
		if rec.Runtime == resource.Embedded {
			out = append(out, rec.Name)
		}
	}
	return out
}

// line is the resource as it is written.
func (o *resourceOptions) line() string {
	parts := []string{"type: " + o.kind}
	for _, p := range []struct{ key, value string }{
		{"embedded", o.embedded}, {"image", o.image}, {"runtime", o.runtime},
	} {
		if p.value != "" {
			parts = append(parts, p.key+": "+stack.Quote(p.value))
		}
	}
	if o.dedicated {
		parts = append(parts, "dedicated: true")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
