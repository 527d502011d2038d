package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts/library"
)

func newContractEnv(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the variables for `go test -tags pact` by hand",
		Long: "env prints shell lines that set what building and running a test with pact-go needs: where libpact_ffi\n" +
			"is, and that Pact sends no statistics. Tests that are run by hand write no pact; `msctl contract test`\n" +
			"does that.",
		Example: "  eval \"$(msctl contract env)\" && go test -tags pact ./services/orders\n  msctl contract env --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		l, err := library.Find(a.pactPlace())
		if err != nil {
			return noLibrary(err)
		}
		for _, line := range l.Env(a.Getenv) {
			name, value, _ := strings.Cut(line, "=")
			if *asJSON {
				err = writeJSON(a.Out, "variable", struct {
					Name  string `json:"name"`
					Value string `json:"value"`
				}{name, value})
			} else {
				_, err = fmt.Fprintf(a.Out, "export %s=%s\n", name, quoteShell(value))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// quoteShell writes text as one word of a shell.
func quoteShell(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
