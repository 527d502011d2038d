package cli

import (
	"github.com/spf13/cobra"
)

func newNew(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a new service from a template, wired into the stack",
		Long: "new writes code that is yours from then on. Nothing that is there is overwritten unasked, and either\n" +
			"all of it is written or nothing.",
		Example: "  msctl new service billing\n  msctl new service billing --calls users --uses postgres --dry-run",
	}
	cmd.AddCommand(newNewService(a))
	return cmd
}

// serviceOptions are the flags of `new service`.
type serviceOptions struct {
	template, path, module string
	route, gateway         string
	open                   bool
	calls, uses            []string
	publishes, consumes    []string
	params                 map[string]string
	yes, dryRun, overwrite bool
}

func newNewService(a *App) *cobra.Command {
	o := &serviceOptions{}
	cmd := &cobra.Command{
		Use:   "service [NAME]",
		Short: "Write a service, its tests, Dockerfile and CI job, and add it to stack.yaml",
		Long: "service writes a service that is ready for production into services/NAME, adds it to stack.yaml\n" +
			"without touching anything else there, and, if the fleet is up, brings it up. At a terminal it asks for\n" +
			"what is not said; --yes takes the defaults. Go services share a kit, which is written once per stack.\n\n" +
			"--uses takes a resource of the stack, or a kind: a database is then the service's own, of a broker or\n" +
			"cache the stack's only one is taken, and what there is not is added. --publishes and --consumes bring a broker\n" +
			"and a place for what was sent and handled: a database, or a cache.",
		Example: "  msctl new service billing\n" +
			"  msctl new service billing --template go-http --calls users,payments:grpc --uses postgres,rabbitmq --yes\n" +
			"  msctl new service billing --route /v1/billing\n" +
			"  msctl new service mailer --template go-worker --consumes order.confirmed\n" +
			"  msctl new service billing --template ./team/service --dry-run\n" +
			"  msctl new service billing --template " + exampleSource,
		Args: args(cobra.MaximumNArgs(1)),
	}
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	f := cmd.Flags()
	f.StringVar(&o.template, "template", "", "`TEMPLATE` by name, the folder of one, or URL//FOLDER?ref=COMMIT of a git repository (default: go-http)")
	f.StringSliceVar(&o.calls, "calls", nil, "`SERVICES` that it calls, as NAME or NAME:PROTOCOL")
	f.StringSliceVar(&o.uses, "uses", nil, "`RESOURCES` that it uses: names, kinds such as postgres, or NAME:KIND")
	f.StringSliceVar(&o.publishes, "publishes", nil, "keys of the `EVENTS` that it publishes, such as billing.paid")
	f.StringSliceVar(&o.consumes, "consumes", nil, "keys of the `EVENTS` that it is told of; order.* is every one of that form")
	f.StringVar(&o.route, "route", "", "`/PREFIX[=/PATH]` by which the gateway leads requests to it, such as /v1/billing")
	f.StringVar(&o.gateway, "gateway", "", "`SERVICE` that is the gateway, where there are several")
	f.BoolVar(&o.open, "open", false, "have the gateway ask for no token")
	f.StringVar(&o.path, "path", "", "`FOLDER` of the service, from the stack's (default: services/NAME)")
	f.StringVar(&o.module, "module", "", "`PATH` of the Go module, where the stack has none yet (default: example.com/STACK)")
	f.StringToStringVar(&o.params, "param", nil, "`NAME=VALUE` of the template's own parameters, see `msctl template show`")
	f.BoolVar(&o.yes, "yes", false, "ask nothing")
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what would be written and changed")
	f.BoolVar(&o.overwrite, "overwrite", false, "replace files that are in the way")
	a.completeNew(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		n := &newService{app: a, o: o}
		if len(words) == 1 {
			n.values.Service = words[0]
		}
		return n.run(cmd.Context())
	}
	return cmd
}

// completeNew completes the flags that name something.
func (a *App) completeNew(cmd *cobra.Command) {
	of := func(list func() []string) cobra.CompletionFunc {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return list(), cobra.ShellCompDirectiveNoFileComp
		}
	}
	cmd.RegisterFlagCompletionFunc("template", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return templateNames(), cobra.ShellCompDirectiveDefault
	})
	cmd.RegisterFlagCompletionFunc("calls", of(func() []string {
		st, err := a.load("")
		if err != nil {
			return nil
		}
		return namesOf(st.Services)
	}))
	cmd.RegisterFlagCompletionFunc("publishes", cobra.NoFileCompletions)
	cmd.RegisterFlagCompletionFunc("consumes", of(func() []string {
		st, err := a.load("")
		if err != nil {
			return nil
		}
		return published(st)
	}))
	cmd.RegisterFlagCompletionFunc("uses", of(func() []string {
		st, err := a.load("")
		if err != nil {
			return nil
		}
		var names []string
		for _, r := range st.Resources {
			names = append(names, r.Name)
		}
		return append(names, kindNames()...)
	}))
}
