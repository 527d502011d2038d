package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/state"
)

func newPs(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "ps [SERVICE…]",
		Short:             "Show what runs, where and how it is",
		Long:              "ps lists every unit of the running stack: its state, how it is run, where it answers and what it uses.",
		Example:           "  msctl ps\n  msctl ps --json | jq -r 'select(.phase==\"ready\").name'",
		ValidArgsFunction: a.completeNames,
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return a.withClient(cmd.Context(), func(ctx context.Context, c *control.Client) error {
			snap, err := c.Snapshot(ctx)
			if err != nil {
				return err
			}
			if err := checkNames(names, unitNames(snap)); err != nil {
				return err
			}
			units := pick(snap.Units, names)
			if *asJSON {
				for _, u := range units {
					if err := writeJSON(a.Out, "unit", u); err != nil {
						return err
					}
				}
				return nil
			}
			s := a.screenOf(a.Out)
			psTable(s, units, time.Now())
			if len(names) == 0 && s.terminal {
				_, err = io.WriteString(s, receiverText(s, snap))
			}
			return err
		})
	}
	return cmd
}

// unitNames returns what a unit can be called by: its own name and its service's.
func unitNames(snap state.Snapshot) []string {
	var names []string
	for _, u := range snap.Units {
		for _, n := range []string{u.Name, u.Service} {
			if !slices.Contains(names, n) && n != "" {
				names = append(names, n)
			}
		}
	}
	return names
}

// pick returns the units with those names, or all where no name is given.
func pick(units []state.Unit, names []string) []state.Unit {
	if len(names) == 0 {
		return units
	}
	return slices.DeleteFunc(slices.Clone(units), func(u state.Unit) bool {
		return !slices.Contains(names, u.Name) && !slices.Contains(names, u.Service)
	})
}

func psTable(s screen, units []state.Unit, now time.Time) {
	cols := []column{
		{title: "NAME", least: 12}, {title: "STATE"}, {title: "AGE", right: true, spare: 1}, {title: "CPU", right: true, spare: 4},
		{title: "MEM", right: true, spare: 3}, {title: "RUN BY", least: 10, spare: 2}, {title: "URL", least: 16},
	}
	if s.width >= 110 {
		cols = append(cols, column{title: "RESTARTS", right: true}, column{title: "PID", right: true})
	}
	rows := make([][]cell, len(units))
	for i, u := range units {
		where := u.URL
		if !running(u.Phase) && why(u, now) != "" {
			where = why(u, now)
		}
		rows[i] = []cell{
			{u.Name, bold}, {string(u.Phase), phaseColour(u.Phase)}, {age(u, now), ""}, {share(u.CPU), ""},
			{bytesText(u.Memory), ""}, {u.Backing, ""}, {clean(where), ""},
		}
		if s.width >= 110 {
			rows[i] = append(rows[i], cell{fmt.Sprint(u.Restarts), ""}, cell{number(u.PID), ""})
		}
	}
	writeTable(s, "", cols, rows)
}

// running reports a phase in which a unit can be used.
func running(p state.Phase) bool { return p == state.Ready || p == state.Done }

// why is the cause of a unit's phase in a few words, or "".
func why(u state.Unit, now time.Time) string {
	switch {
	case u.Phase == state.Pending && len(u.WaitsFor) > 0:
		return "waits for " + strings.Join(u.WaitsFor, ", ")
	case u.Phase == state.Looping && u.NextTry.After(now):
		return fmt.Sprintf("next try in %s: %s", u.NextTry.Sub(now).Round(100*time.Millisecond), u.Reason)
	}
	return u.Reason
}

func age(u state.Unit, now time.Time) string {
	if u.Started.IsZero() || u.Phase == state.Done || u.Phase == state.Stopped || u.Phase == state.Failed {
		return ""
	}
	return shortDuration(now.Sub(u.Started))
}

// shortDuration has one unit: 12s, 3m, 5h, 2d.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func share(cores float64) string {
	if cores <= 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", cores*100)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
