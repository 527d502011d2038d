package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
)

func newVersion(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "version prints what this msctl was built from.",
		Example: "  msctl version\n  msctl version --json",
		Args:    args(cobra.NoArgs),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		v := versionInfo{Version: version(), Commit: setting("vcs.revision"), Go: runtime.Version(), System: system, Protocol: control.Protocol}
		if *asJSON {
			return writeJSON(a.Out, "version", v)
		}
		_, err := fmt.Fprintln(a.Out, versionText())
		return err
	}
	return cmd
}

const system = runtime.GOOS + "/" + runtime.GOARCH

// versionText is the version for people: "msctl v1.2.3 linux/amd64 go1.26".
func versionText() string {
	return fmt.Sprintf("msctl %s %s %s", version(), system, runtime.Version())
}

type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	System   string `json:"system"`
	Protocol int    `json:"protocol"`
}

// Version is written by the linker: -X msctl.dev/msctl/internal/cli.Version=v1.2.3.
var Version string

// version is what the linker wrote, the module's version, or "devel" with the commit of a working copy.
func version() string {
	if Version != "" {
		return Version
	}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	if c := setting("vcs.revision"); len(c) >= 12 {
		return "devel-" + c[:12]
	}
	return "devel"
}

// setting returns one setting of the build, or "".
func setting(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
