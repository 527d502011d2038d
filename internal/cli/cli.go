// Package cli is msctl's command line: one file per command, a list of them, and the one place that
// builds what they use.
package cli

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// App is the world around one command, as main gives it.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Environ  []string
	Dir      string           // working folder
	Exe      string           // path of msctl itself
	Signals  <-chan os.Signal // INT, TERM and HUP; nil means none come
	files    []string         // --file
	instance string           // --instance
	interval *interrupts
}

// Main runs one command and returns the exit code of the process.
func Main(ctx context.Context, a *App, args []string) int {
	ctx, a.interval = watchSignals(ctx, a.Signals)
	defer a.interval.stop()
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		var s *signalled
		if errors.As(cause, &s) && errors.Is(err, context.Canceled) || errors.Is(err, cause) {
			err = cause
		}
	}
	return report(a, err)
}

// command makes one command of the list.
type command struct {
	group string
	make  func(*App) *cobra.Command
}

// The groups of the help, in order.
const (
	groupRun        = "run"
	groupLook       = "look"
	groupUnderstand = "understand"
	groupChange     = "change"
	groupStack      = "stack"
)

// commands is every command in the order of the help.
var commands = []command{
	{groupRun, newInit},
	{groupRun, newNew},
	{groupRun, newUp},
	{groupRun, newDown},
	{groupLook, newPs},
	{groupLook, newDash},
	{groupLook, newLogs},
	{groupLook, newEvents},
	{groupLook, newEdges},
	{groupLook, newOpen},
	{groupLook, newWait},
	{groupUnderstand, newTraces},
	{groupUnderstand, newTrace},
	{groupUnderstand, newMap},
	{groupUnderstand, newWhy},
	{groupUnderstand, newAdvise},
	{groupUnderstand, newMetrics},
	{groupUnderstand, newContract},
	{groupChange, newStart},
	{groupChange, newStop},
	{groupChange, newRestart},
	{groupChange, newScale},
	{groupChange, newChaos},
	{groupChange, newRun},
	{groupChange, newExec},
	{groupStack, newAdd},
	{groupStack, newRemove},
	{groupStack, newImport},
	{groupStack, newExport},
	{groupStack, newGraph},
	{groupStack, newConfig},
	{groupStack, newSchema},
	{groupStack, newTemplate},
	{groupStack, newDoctor},
	{groupStack, newCompletion},
	{groupStack, newHelp},
	{groupStack, newVersion},
	{groupStack, newDocs},
}

func newRoot(a *App) *cobra.Command {
	root := &cobra.Command{
		Use:   "msctl",
		Short: "Run, watch and break a fleet of services on one machine",
		Long: "msctl runs the services and backing servers that stack.yaml describes, on containers, installed\n" +
			"servers or its own embedded ones, shows what they do, and takes them down without a trace.\n\n" +
			exitHelp(),
		Example:       "  msctl init      # a small stack in an empty folder\n  msctl up        # everything in stack.yaml, until Ctrl-C\n  msctl up -d     # the same, in the background\n  msctl down",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(flagError)
	root.SuggestionsMinimumDistance = 2
	root.TraverseChildren = true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return checkFlags(cmd) }
	versionFlag(root)
	fileFlag(a, root)
	root.PersistentFlags().StringVar(&a.instance, "instance", "", "the copy with this `NAME` that up --isolated started")
	for _, g := range []cobra.Group{
		{ID: groupRun, Title: "Run:"}, {ID: groupLook, Title: "Look:"}, {ID: groupUnderstand, Title: "Understand:"},
		{ID: groupChange, Title: "Change:"}, {ID: groupStack, Title: "The stack:"},
	} {
		root.AddGroup(&g)
	}
	for _, c := range commands {
		cmd := c.make(a)
		cmd.GroupID = c.group
		fileFlag(a, cmd)
		if cmd.Name() == "help" {
			root.SetHelpCommand(cmd)
		}
		root.AddCommand(cmd)
	}
	root.CompletionOptions.DisableDefaultCmd = true
	refuseUnknown(root)
	foldHelp(a, root)
	return root
}

// fileFlag adds --file, and -f where the command does not use that letter itself (`logs -f`).
func fileFlag(a *App, cmd *cobra.Command) {
	short := "f"
	if cmd.Flags().ShorthandLookup(short) != nil {
		short = ""
	}
	cmd.Flags().StringArrayVarP(&a.files, "file", short, nil, "stack `FILE`, searched upward by default; repeat to merge")
}
