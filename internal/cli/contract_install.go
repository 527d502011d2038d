package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts/library"
)

type installOptions struct {
	from  string
	quiet bool
	json  *bool
}

func newContractInstall(a *App) *cobra.Command {
	o := &installOptions{}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Get the library that Pact's tests call",
		Long: "install fetches libpact_ffi, about 7 MB, from the registry that npm is set to (NPM_CONFIG_REGISTRY names\n" +
			"another), compares it with the checksum that msctl knows, checks that it has every function that pact-go\n" +
			"calls, and puts it in your cache folder. It does nothing where a fitting one is installed already.\n" +
			"--from takes a library from a file instead: the library, a .gz of it, or the package of npm.",
		Example: "  msctl contract install\n" +
			"  npm pack @pact-foundation/pact-core-linux-x64-glibc@20.1.0 && msctl contract install --from pact-foundation-*.tgz",
		Args: args(cobra.NoArgs),
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "take it from this `FILE`; no network is used")
	f.BoolVar(&o.quiet, "quiet", false, "say nothing where it is installed already")
	o.json = jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.contractInstall(cmd.Context(), o) }
	return cmd
}

// jsonLibrary is the result under --json.
type jsonLibrary struct {
	File    string `json:"file"`
	Version string `json:"version,omitempty"`
	By      string `json:"by"`
	Fetched bool   `json:"fetched"` // false: it was there
}

func (a *App) contractInstall(ctx context.Context, o *installOptions) error {
	l, err := library.Find(a.pactPlace())
	fetched := err != nil || o.from != ""
	switch {
	case o.from != "":
		l, err = library.InstallFile(a.pactPlace(), a.absolute(o.from))
	case err != nil:
		l, err = a.fetchLibrary(ctx)
	}
	if err != nil {
		return installTrouble(ctx, o, err)
	}
	if *o.json {
		return writeJSON(a.Out, "library", jsonLibrary{l.File, l.Version, l.By, fetched})
	}
	if fetched || !o.quiet {
		word := "is installed"
		if !fetched {
			word = "was installed already"
		}
		fmt.Fprintf(a.Err, "libpact_ffi%s %s: %s\n", spaced(l.Version), word, clean(l.File))
	}
	return nil
}

// fetchLibrary fetches it, and says how far it is once that takes a while.
func (a *App) fetchLibrary(ctx context.Context) (library.Library, error) {
	var done, of atomic.Int64
	end := a.progress(ctx, "fetching libpact_ffi", func(context.Context) string {
		if all := of.Load(); all > 0 {
			return fmt.Sprintf(": %.1f of %.1f MB", float64(done.Load())/1e6, float64(all)/1e6)
		}
		return ""
	})
	defer end()
	return library.Install(ctx, a.pactPlace(), library.Registry(ctx, a.Getenv), func(d, all int64) {
		done.Store(d)
		of.Store(all)
	})
}

// installTrouble adds what to do about an install that went wrong.
func installTrouble(ctx context.Context, o *installOptions, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	hint := "msctl contract doctor says what is here"
	var network net.Error
	switch {
	case o.from != "":
		hint = "it must be libpact_ffi for this machine, of the version that pact-go calls"
	case errors.As(err, &network):
		hint = "without a network: fetch that file elsewhere, and `msctl contract install --from FILE`"
	}
	return &codedError{err, exitInfrastructure, hint}
}

// spaced puts a space in front of what is there.
func spaced(word string) string {
	if word == "" {
		return ""
	}
	return " " + word
}
