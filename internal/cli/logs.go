package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/output"
)

func newLogs(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs [SERVICE…]",
		Short: "Show what services print",
		Long: "logs shows the output of services and backing servers, of this run and those before, merged by time.\n" +
			"It reads the kept files, so it works when nothing runs. Control characters of the output are shown,\n" +
			"not executed, and secrets are masked, unless --raw. At a terminal JSON logs are shown as LEVEL message\n" +
			"key=value; a pipe and --raw get what was printed. --trace and --where search the records of all\n" +
			"services, printed and sent over OpenTelemetry, as one list.",
		Example: "  msctl logs -f users notifications\n  msctl logs --since 5m --grep 'timeout|refused'\n  msctl logs --tail 20 --json | jq -r .text\n" +
			"  msctl logs --trace 4bf92f3577b34da6a3ce929d0e0e4736\n  msctl logs --where 'severity>=warn user.id=u-42' --since 1h",
		ValidArgsFunction: a.completeNames,
	}
	o := logOptions{}
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on as new lines come")
	f.StringVarP(&o.tail, "tail", "n", "all", "only the last `N` lines of each")
	f.StringVar(&o.since, "since", "", "only lines of the last `DURATION`, or since this time")
	f.StringVar(&o.grep, "grep", "", "only lines that match this regular `EXPRESSION`")
	f.StringVar(&o.trace, "trace", "", "only records of the trace with this `ID`")
	f.StringVar(&o.where, "where", "", "only records that match this `FILTER`, as for msctl traces")
	f.BoolVar(&o.raw, "raw", false, "print the bytes as they came: secrets, and whatever they do to the terminal")
	f.BoolVarP(&o.times, "timestamps", "t", false, "show the time of each line")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		p, err := a.place()
		if err != nil {
			return err
		}
		q, last, err := o.query(time.Now())
		if err != nil {
			return err
		}
		if o.trace != "" || o.where != "" {
			return a.searchLogs(cmd.Context(), names, o, last, *asJSON)
		}
		units, err := a.logUnits(p, names, o.follow)
		if err != nil {
			return err
		}
		s := a.screenOf(a.Out)
		show := &format{colour: s.colour, tidy: s.terminal, raw: o.raw, json: *asJSON, times: o.times,
			alone: len(units) == 1, names: units}
		if !o.raw {
			veil, err := a.logVeil(cmd.Context(), p)
			if err != nil {
				return err
			}
			show.mask = veil.Bytes
		}
		v := newLogView(a.Out, p.logs(), show)
		return v.show(cmd.Context(), units, q, last, o.follow)
	}
	return cmd
}

type logOptions struct {
	follow, raw, times bool
	tail, since, grep  string
	trace, where       string
}

// query turns the flags into what is asked of the files. last is -1 for all lines.
func (o logOptions) query(now time.Time) (q output.Query, last int, err error) {
	last = -1
	if o.tail != "all" {
		if last, err = strconv.Atoi(o.tail); err != nil || last < 0 {
			return q, 0, usage("a number or all", "read --tail: %q is not a number of lines", o.tail)
		}
	}
	if o.since != "" {
		if q.Since, err = sinceTime(o.since, now); err != nil {
			return q, 0, err
		}
	}
	if o.grep != "" {
		if q.Grep, err = regexp.Compile(o.grep); err != nil {
			return q, 0, usage("see https://golang.org/s/re2syntax", "read --grep: %v", err)
		}
	}
	return q, last, nil
}

func sinceTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("for example 10m, or 2006-01-02T15:04:05Z", "read --since: %q is neither a duration nor a time", text)
}

// logUnits returns the units to show: those with a log folder, and with follow also those to come.
func (a *App) logUnits(p place, names []string, follow bool) ([]string, error) {
	if err := p.known(); err != nil {
		return nil, err
	}
	have, err := logFolders(p.logs())
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if len(have) == 0 && !follow {
			return nil, failed("`msctl up` starts the stack", "nothing has printed anything in %s", p.dir)
		}
		return have, nil
	}
	services := a.serviceNames()
	if err := checkNames(names, append(slices.Clone(services), have...)); err != nil {
		return nil, err
	}
	var units []string
	for _, n := range names {
		of := logsOf(n, have, services)
		if len(of) == 0 && follow {
			of = []string{n}
		}
		units = append(units, of...)
	}
	if len(units) == 0 {
		return nil, failed("`msctl ps` shows what runs", "%s printed nothing yet", strings.Join(names, ", "))
	}
	return units, nil
}

// logFolders lists the units that have printed something; of none where nothing ran yet.
func logFolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	var have []string
	for _, e := range entries {
		if e.IsDir() {
			have = append(have, e.Name())
		}
	}
	return have, nil
}

// logsOf returns the log folders of a service: its own and its replicas', not those of another service
// that is called like a replica.
func logsOf(name string, have, services []string) []string {
	var out []string
	for _, h := range have {
		n, replica := strings.CutPrefix(h, name+"-")
		_, err := strconv.Atoi(n)
		if h == name || replica && err == nil && !slices.Contains(services, h) {
			out = append(out, h)
		}
	}
	return out
}

// show prints the past, and with follow what comes, until ctx ends.
func (v *logView) show(ctx context.Context, units []string, q output.Query, last int, follow bool) error {
	next, err := v.history(ctx, units, q, last)
	if err != nil || !follow {
		return err
	}
	for _, u := range units {
		unit := q
		if n, some := next[u]; some {
			unit.FromSeq = n
		}
		v.add(ctx, ctx, u, unit)
	}
	v.end()
	err = v.print()
	if errors.Is(err, context.Canceled) || err == nil {
		return context.Cause(ctx)
	}
	return err
}
