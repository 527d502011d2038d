package cli

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newOpen(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "open SERVICE",
		Short: "Open a service in the browser",
		Long: "open shows a service's page, for example the mailbox of the mail server, in the browser. Without a\n" +
			"desktop it prints the address only. The name telemetry is where msctl takes OTLP and answers Jaeger's\n" +
			"API and Prometheus.",
		Example:           "  msctl open gateway\n  msctl open mail\n  curl $(msctl open --print telemetry)/metrics\n  curl $(msctl open --print gateway)/readyz",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeOne,
	}
	only := cmd.Flags().Bool("print", false, "print the address and open nothing")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			snap, err := c.Snapshot(ctx)
			if err != nil {
				return err
			}
			if err := checkNames(names, append(unitNames(snap), telemetryPage)); err != nil {
				return err
			}
			url := webAddress(named(snap, names[0]))
			if names[0] == telemetryPage && url == "" && snap.Receiver != nil {
				url = snap.Receiver.HTTP
			}
			if url == "" {
				return failed("`msctl ps` shows every address", "%s has no page to open", names[0])
			}
			if err := a.printPage(jsonPage{names[0], url}, *asJSON); err != nil {
				return err
			}
			if *only || !a.desktop() {
				return nil
			}
			return browse(ctx, url)
		})
	}
	return cmd
}

// jsonPage is an address under --json.
type jsonPage struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

func (a *App) printPage(p jsonPage, asJSON bool) error {
	if asJSON {
		return writeJSON(a.Out, "page", p)
	}
	_, err := fmt.Fprintln(a.Out, p.URL)
	return err
}

// telemetryPage is the name of msctl's own page.
const telemetryPage = "telemetry"

// webAddress returns the first address of units that a browser can show, or "".
func webAddress(units []state.Unit) string {
	for _, u := range units {
		if strings.HasPrefix(u.URL, "http") {
			return u.URL
		}
		for _, p := range u.Ports {
			if p.Name == "http" {
				return "http://" + p.Addr
			}
		}
	}
	return ""
}

// desktop reports that a browser could open.
func (a *App) desktop() bool {
	return runtime.GOOS == "darwin" || a.Getenv("DISPLAY") != "" || a.Getenv("WAYLAND_DISPLAY") != ""
}

func browse(ctx context.Context, url string) error {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	if err := exec.CommandContext(ctx, program, url).Run(); err != nil {
		return fmt.Errorf("open %s: %w", url, err)
	}
	return nil
}
