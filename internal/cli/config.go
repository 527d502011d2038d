package cli

import (
	"github.com/spf13/cobra"
)

func newConfig(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check stack.yaml and print what it comes to",
		Long: "config loads the stack files with their overrides and prints the result with every default, secrets\n" +
			"masked. With --quiet it only checks.",
		Example: "  msctl config\n  msctl config --quiet && echo good\n  msctl config --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	quiet := cmd.Flags().BoolP("quiet", "q", false, "only check")
	cmd.RunE = func(*cobra.Command, []string) error {
		st, err := a.load("")
		if err != nil {
			return err
		}
		for _, w := range st.Warnings {
			say(a.Err, "warning: "+w.Error(), w.Hint)
		}
		if *quiet {
			return nil
		}
		text := st.Format(true)
		if *asJSON {
			text = st.JSON(true)
		}
		_, err = a.Out.Write(text)
		return err
	}
	return cmd
}
