package cli

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts/consumer"
)

func newContractExec(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec PROGRAM [ARGUMENT...]",
		Short: "Run a test program with a folder of its own for pacts",
		Long: "exec becomes the program, for a `go test` of your own. Where MSCTL_PACT_DIR is set the program is given a new\n" +
			"folder within: test processes that write one pact file at the same time lose interactions, silently.",
		Example:            "  MSCTL_PACT_DIR=$PWD/pacts go test -count=1 -tags pact -exec \"msctl contract exec\" ./...",
		DisableFlagParsing: true,
	}
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if len(words) > 0 && (words[0] == "--help" || words[0] == "-h") {
			return cmd.Help()
		}
		if len(words) == 0 {
			return usage("`go test -exec \"msctl contract exec\"` names it", "run a test: no program is given")
		}
		program, err := exec.LookPath(words[0])
		if err == nil {
			program, err = filepath.Abs(program)
		}
		if err != nil {
			return &codedError{fmt.Errorf("run %s: %w", words[0], err), exitInfrastructure, ""}
		}
		return consumer.Exec(append([]string{program}, words[1:]...), a.Environ)
	}
	return cmd
}
