package cli

import (
	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts/library"
)

func newContract(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "contract",
		Short: "Prove with Pact that services keep to what their callers need",
		Long: "contract runs the tests of consumers, which say what they need of each provider, and keeps the result in\n" +
			"contracts/pacts/. Exit codes: 0 every contract holds, 1 one is broken, 2 the command line is wrong,\n" +
			"3 something that is needed is missing or does not work, 4 nobody knows yet, 130 Ctrl-C.",
		Example: "  msctl contract install\n  msctl contract test\n  msctl contract test orders --check",
	}
	for _, make := range contractCommands {
		cmd.AddCommand(make(a))
	}
	return cmd
}

// contractCommands is every command under `contract`, in the order of the help.
var contractCommands = []func(*App) *cobra.Command{
	newContractInstall,
	newContractDoctor,
	newContractEnv,
	newContractExec,
	newContractTest,
	newContractVerify,
	newContractMatrix,
	newContractCanIDeploy,
	newContractRecord,
	newContractCoverage,
	newContractStub,
	newContractServe,
	newContractPublish,
	newContractDiff,
	newContractDerive,
	newContractWatch,
}

// The exit codes of `contract` that mean something else than those of other commands.
const (
	exitInfrastructure = 3 // what is needed is missing or does not work
	exitUnknown        = 4 // no result says whether the contract holds
)

// noLibrary says that libpact_ffi is missing.
func noLibrary(err error) error {
	return &codedError{err, exitInfrastructure, "msctl contract install fetches it"}
}

func (a *App) pactPlace() library.Place { return library.Here(a.Getenv) }
