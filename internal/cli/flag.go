package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError is a wrong flag, with the command's own help as the hint where its value says no better one.
func flagError(cmd *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if errors.As(err, &wrong) {
		return badValue(wrong.GetFlag(), wrong.GetValue())
	}
	return usage("see `"+cmd.CommandPath()+" --help`", "%v", err)
}

// badValue is the value of a flag that is not of its type.
func badValue(f *pflag.Flag, value string) error {
	what, hint := "it", ""
	switch f.Value.Type() {
	case "bool":
		what, hint = "true or false", "--"+f.Name+" alone turns it on"
	case "duration":
		what, hint = "a duration", "such as 500ms, 30s or 2m"
	case "int":
		what, hint = "a whole number", "such as 20"
	case "uint64":
		what, hint = "a whole number of 0 or more", "such as 20"
	}
	return usage(hint, "read --%s: %q is not %s", f.Name, value, what)
}

// leastOne marks the flag of a number of which 0 means nothing either.
const leastOne = "least-one"

// checkFlags refuses durations and numbers below zero: no flag of msctl means anything by one.
func checkFlags(cmd *cobra.Command) error {
	var errs []error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch _, one := f.Annotations[leastOne]; {
		case one && (f.Value.String() == "0" || negative(cmd.Flags(), f)):
			errs = append(errs, usage("1 or more", "read --%s: %s is less than 1", f.Name, f.Value))
		case negative(cmd.Flags(), f):
			errs = append(errs, usage("0 or more", "read --%s: %s is less than nothing", f.Name, f.Value))
		}
	})
	if len(errs) > 0 {
		return errs[0]
	}
	return nil
}

func negative(set *pflag.FlagSet, f *pflag.Flag) bool {
	switch f.Value.Type() {
	case "duration":
		d, err := time.ParseDuration(f.Value.String())
		return err == nil && d < 0
	case "int":
		n, err := set.GetInt(f.Name)
		return err == nil && n < 0
	}
	return false
}

// versionFlag makes `msctl --version` print what `msctl version` does.
func versionFlag(root *cobra.Command) {
	root.Version = version()
	root.SetVersionTemplate(fmt.Sprintln(versionText()))
	root.Flags().Bool("version", false, "print the version")
}
