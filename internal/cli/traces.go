package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/desk"
)

func newTraces(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "traces [FILTER…]",
		Short: "List the requests that went through the stack",
		Long: "traces lists requests with the services that they passed, newest first: seen on the edges between\n" +
			"services, and told by those that send OpenTelemetry. A filter is words such as service=orders\n" +
			"status=error duration>200ms http.route=/v1/orders, OR, parentheses and a leading - for not; the flags\n" +
			"are short for the common ones. What services do on their own, such as health checks of their\n" +
			"databases, is listed with --all or trace.kind=background alone. It works on what is kept when nothing\n" +
			"runs.",
		Example: "  msctl traces --status error --since 10m\n  msctl traces 'duration>200ms service=orders -http.route=/healthz'\n" +
			"  msctl traces --service orders --min 50ms --sort duration --json | jq -r .id",
	}
	o := traceOptions{}
	f := cmd.Flags()
	f.StringVar(&o.service, "service", "", "that pass this `SERVICE`")
	f.StringVar(&o.op, "op", "", "with an operation of this `NAME`, such as 'POST /v1/orders'")
	f.StringVar(&o.status, "status", "", "error, or ok: nothing in it failed")
	f.DurationVar(&o.min, "min", 0, "with a span that took at least this `DURATION`")
	f.StringArrayVar(&o.attrs, "attr", nil, "with an attribute `KEY=VALUE`; repeat for more")
	f.StringVar(&o.since, "since", "", "begun in the last `DURATION`, or since this time")
	f.StringVar(&o.until, "until", "", "begun before this time, or that `DURATION` ago")
	f.StringVar(&o.sort, "sort", "time", "`ORDER`: time or duration")
	f.BoolVar(&o.all, "all", false, "also what services do on their own, such as health checks of their databases")
	f.IntVarP(&o.limit, "limit", "n", 20, "at most this `NUMBER`")
	cmd.RegisterFlagCompletionFunc("service", a.completeOneService)
	cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{"error", "ok"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions([]string{"time", "duration"}, cobra.ShellCompDirectiveNoFileComp))
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		q, err := o.query(words, time.Now())
		if err != nil {
			return err
		}
		return a.tell(cmd.Context(), func(t teller) error {
			page, err := o.search(cmd.Context(), t, q)
			if err == nil && len(page.Traces) == 0 && o.service != "" {
				err = a.sentBy(cmd.Context(), t, o.service)
			}
			if err != nil {
				return err
			}
			if *asJSON {
				return a.jsonLines("trace", len(page.Traces), func(i int) any { return page.Traces[i] })
			}
			a.tracesTable(page, q, o.what())
			if len(page.Traces) == 0 && !o.all {
				return a.hintAll(cmd.Context(), t, q)
			}
			return nil
		})
	}
	return cmd
}

func (a *App) completeOneService(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return a.serviceNames(), cobra.ShellCompDirectiveNoFileComp
}

type traceOptions struct {
	service, op, status, since, until, sort string
	min                                     time.Duration
	attrs                                   []string
	limit                                   int
	all                                     bool
}

// query puts the flags and the words of the filter together.
func (o traceOptions) query(words []string, now time.Time) (q telemetry.Query, err error) {
	if err := checkFilter(strings.Join(words, " ")); err != nil {
		return q, err
	}
	if q.Limit, q.Filter = o.limit, strings.Join(words, " "); q.Filter != "" && o.narrows() {
		q.Filter = "(" + q.Filter + ")" // an OR in it is not for the flags
	}
	add := func(key, op, value string) { q.Filter = strings.TrimSpace(q.Filter + " " + key + op + quote(value)) }
	if o.service != "" { // one that sends nothing is known by its callers
		name := quote(o.service)
		q.Filter = strings.TrimSpace(q.Filter + " (service=" + name + " OR peer.service=" + name + ")")
	}
	if o.op != "" {
		add("name", "=", o.op)
	}
	switch o.status {
	case "":
	case "error":
		add("status", "=", o.status)
	case "ok": // hardly a span says so of itself
		add("trace.errors", "=", "0")
	default:
		return q, usage("error or ok", "read --status: unknown status %q", o.status)
	}
	if o.min > 0 {
		add("duration", ">=", o.min.String())
	}
	for _, attr := range o.attrs {
		key, value, ok := strings.Cut(attr, "=")
		if !ok || key == "" {
			return q, usage("for example --attr http.route=/v1/orders", "read --attr: %q is not KEY=VALUE", attr)
		}
		add(key, "=", value)
	}
	switch o.sort {
	case "time":
	case "duration":
		q.Sort = o.sort
	default:
		return q, usage("time or duration", "read --sort: unknown order %q", o.sort)
	}
	if o.limit < 1 {
		return q, usage("a positive number", "read --limit: %d traces cannot be listed", o.limit)
	}
	if q.Since, err = momentFlag("--since", o.since, now); err != nil {
		return q, err
	}
	q.Until, err = momentFlag("--until", o.until, now)
	return q, err
}

// search asks for requests, or for all traces, that match.
func (o traceOptions) search(ctx context.Context, t teller, q telemetry.Query) (telemetry.TracePage, error) {
	if !o.all {
		q.Filter = telemetry.OnlyRequests(q.Filter)
	}
	return t.Traces(ctx, q)
}

// what is asked for, in a word.
func (o traceOptions) what() string {
	if o.all {
		return "trace"
	}
	return "request"
}

// hintAll says that what services do on their own would match, where no request does.
func (a *App) hintAll(ctx context.Context, t teller, q telemetry.Query) error {
	q.Limit = 1
	page, err := t.Traces(ctx, q)
	if err == nil && len(page.Traces) > 0 {
		fmt.Fprintln(a.screenOf(a.Err), "hint: --all lists what services do on their own too, such as health checks of their databases")
	}
	return err
}

// narrows reports flags that add to the filter.
func (o traceOptions) narrows() bool {
	return o.service != "" || o.op != "" || o.status != "" || o.min > 0 || len(o.attrs) > 0
}

// momentFlag reads a time or a duration ago; "" is none.
func momentFlag(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if strings.HasPrefix(text, "-") {
		return time.Time{}, usage(flag+" "+text[1:]+" is that long ago", "read %s: %q is negative", flag, text)
	}
	t, err := desk.Moment(text, now)
	if err != nil {
		return t, usage("for example 10m, 14:02, or 2006-01-02T15:04:05Z", "read %s: %q is neither a duration nor a time", flag, text)
	}
	return t, nil
}

// jsonLines prints n values, one per line, with secrets masked.
func (a *App) jsonLines(kind string, n int, at func(i int) any) error {
	mask := a.veil().Text
	for i := range n {
		body, err := json.Marshal(at(i))
		if err == nil {
			body, err = hideJSON(body, mask)
		}
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		if err := writeLine(a.Out, kind, body); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) tracesTable(page telemetry.TracePage, q telemetry.Query, what string) {
	s := a.shown()
	if len(page.Traces) == 0 {
		note := a.screenOf(a.Err)
		fmt.Fprintf(note, "no %s%s among %s\n", what, matching(q), count(int(max(page.Kept, page.Scanned)), "span"))
		a.hintKeys(q.Filter, slices.Concat(traceKeys(), page.Keys))
		return
	}
	cols := []column{
		{title: "TRACE"}, {title: "BEGUN"}, {title: "TOOK", right: true}, {title: "SPANS", right: true, spare: 2}, {title: "ERRORS", right: true},
		{title: "REQUEST", least: 20}, {title: "THROUGH", least: 12, spare: 1},
	}
	rows := make([][]cell, len(page.Traces))
	for i, t := range page.Traces {
		errs := cell{"", ""}
		if t.Errors > 0 {
			errs = cell{fmt.Sprint(t.Errors), red}
		}
		rows[i] = []cell{
			{t.ID.String()[:16], bold}, {clockText(t.Start), ""}, {telemetry.Took(t.Duration), ""}, {fmt.Sprint(t.Spans), ""}, errs,
			{clean(t.Service + " " + t.Name), ""}, {clean(strings.Join(t.Services, " ")), dim},
		}
	}
	writeTable(s, "", cols, rows)
	if page.Next != "" || page.Truncated {
		fmt.Fprintln(a.screenOf(a.Err), "more are kept: --limit, or a narrower filter")
	}
}

// matching says what was asked for, for a sentence.
func matching(q telemetry.Query) string {
	if q.Filter == "" {
		return ""
	}
	return " matches " + q.Filter
}

// clockText is a time of today, else with its day.
func clockText(t time.Time) string { return clockOn(t.Local(), time.Now()) }

// clockOn is clockText as one reads it on a day.
func clockOn(t, now time.Time) string {
	y, m, d := t.Date()
	switch ny, nm, nd := now.Date(); {
	case y == ny && m == nm && d == nd:
		return t.Format("15:04:05.000")
	case y == ny:
		return t.Format("Jan 02 15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}
