package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts/library"
)

func newContractDoctor(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what Pact's tests lack on this machine",
		Long: "doctor looks for libpact_ffi where msctl, pact-go and the environment have it, for a C compiler, and for\n" +
			"the tool chains of consumer tests. It changes nothing. Its code is 3 when consumer tests in Go cannot run.",
		Example: "  msctl contract doctor\n  msctl contract doctor --json | jq 'select(.ok|not)'",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		found := append(libraryFindings(a.pactPlace()), toolFindings()...)
		bad := false
		for _, f := range found {
			bad = bad || f.Bad
			if *asJSON {
				if err := writeJSON(a.Out, "finding", f); err != nil {
					return err
				}
			}
		}
		if !*asJSON {
			printFindings(a.screenOf(a.Out), found)
		}
		if bad {
			return &codedError{errors.New("look at this machine: consumer tests in Go cannot run"), exitInfrastructure,
				"msctl contract install fetches the library"}
		}
		return nil
	}
	return cmd
}

// libraryFindings is a line for each library that is somewhere, and one where there is none.
func libraryFindings(p library.Place) []finding {
	var out []finding
	usable := false
	for _, l := range library.Search(p) {
		f := finding{Area: "library", Name: "libpact_ffi", OK: l.Err == nil}
		switch {
		case l.Err == nil:
			usable = true
			f.Text = fmt.Sprintf("%s%s, %s", clean(l.Library.File), spaced(l.Library.Version), l.Library.By)
		case errors.Is(l.Err, fs.ErrNotExist):
			continue
		default:
			f.Text = clean(l.Err.Error())
		}
		out = append(out, f)
	}
	if !usable {
		out = append(out, finding{"library", "libpact_ffi", false, "none that can be used", true})
	}
	return out
}

// toolFindings is a line for each program that consumer tests may need.
func toolFindings() []finding {
	tools := []struct {
		names []string
		why   string
		must  bool
	}{
		{[]string{"go"}, "runs consumer tests in Go", true},
		{[]string{"gcc", "cc", "clang"}, "links them with the library", true},
		{[]string{"npm"}, "runs consumer tests in Node", false},
		{[]string{"python3"}, "runs consumer tests in Python", false},
	}
	var out []finding
	for _, tool := range tools {
		f := finding{Area: "tools", Name: tool.names[0], Text: "is missing: it " + tool.why, Bad: tool.must}
		for _, name := range tool.names {
			if path, err := exec.LookPath(name); err == nil {
				f = finding{"tools", name, true, path, false}
				break
			}
		}
		out = append(out, f)
	}
	return out
}
