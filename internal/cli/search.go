package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// searchedLogs is how many records a search prints where --tail does not say.
const searchedLogs = 1000

// searchLogs prints the records, printed or sent over OpenTelemetry, that belong to a trace or match a
// filter, oldest first.
func (a *App) searchLogs(ctx context.Context, services []string, o logOptions, last int, asJSON bool) error {
	if _, err := o.search(services, last, time.Now()); err != nil {
		return err
	}
	return a.tell(ctx, func(t teller) error {
		if o.trace != "" && len(o.trace) < 2*len(telemetry.TraceID{}) {
			whole, err := t.Trace(ctx, o.trace)
			if err != nil {
				return err
			}
			o.trace = whole.ID.String()
		}
		q, err := o.search(services, last, time.Now())
		if err != nil {
			return err
		}
		page, err := t.Logs(ctx, q)
		if err != nil {
			return err
		}
		logs := page.Logs
		for i, j := 0, len(logs)-1; q.Sort == "" && i < j; i, j = i+1, j-1 {
			logs[i], logs[j] = logs[j], logs[i] // the last ones were asked for
		}
		if asJSON {
			return a.jsonLines("log", len(logs), func(i int) any { return logs[i] })
		}
		drawLogs(a.shown(), logs)
		switch {
		case len(logs) == 0:
			fmt.Fprintf(a.screenOf(a.Err), "no record%s\n", matching(q))
			a.hintKeys(q.Filter, logKeys())
		case page.Truncated && q.Sort != "":
			fmt.Fprintf(a.screenOf(a.Err), "these are the first %d: --tail prints the last ones\n", len(logs))
		}
		return nil
	})
}

// search turns the flags into a query.
func (o logOptions) search(services []string, last int, now time.Time) (q telemetry.Query, err error) {
	if o.follow || o.grep != "" || o.raw {
		return q, usage("--where 'body~EXPRESSION' searches the text", "--trace and --where do not go with --follow, --grep and --raw")
	}
	if err := checkFilter(o.where); err != nil {
		return q, err
	}
	if o.trace != "" {
		if err := checkTraceID(o.trace); err != nil {
			return q, err
		}
	}
	words := []string{}
	if o.where != "" {
		words = append(words, "("+o.where+")")
	}
	if o.trace != "" {
		words = append(words, "trace="+quote(o.trace))
	}
	var any []string
	for _, s := range services {
		any = append(any, "service="+quote(s), "instance="+quote(s))
	}
	if len(any) > 0 {
		words = append(words, "("+strings.Join(any, " OR ")+")")
	}
	q.Filter, q.Limit, q.Sort = strings.Join(words, " "), searchedLogs, "oldest"
	if last >= 0 {
		q.Limit, q.Sort = max(last, 1), ""
	}
	q.Since, err = momentFlag("--since", o.since, now)
	return q, err
}
