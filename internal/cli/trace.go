package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/telemetry"
)

func newTrace(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace ID",
		Short: "Show where one request went and what took how long",
		Long: "trace draws one request as a waterfall: every call in the order in which it began, below the one that\n" +
			"made it. The critical path, which is what the answer waited for, is drawn heavy; what failed is\n" +
			"marked with ✗ and its cause, and with ~ what stands below another because its service worked on\n" +
			"nothing else: a guess. The first digits of an id are enough. Services tell of their work a moment after\n" +
			"it ended: while callers are missing in what has just happened, trace waits for them, a second at most.",
		Example: "  msctl trace 4bf92f35\n  msctl trace 4bf92f35 --attrs --logs\n  msctl trace $(msctl traces --status error -n 1 --json | jq -r .id)",
		Args:    args(cobra.ExactArgs(1)),
	}
	f := cmd.Flags()
	attrs := f.Bool("attrs", false, "with the attributes of each span")
	logs := f.Bool("logs", false, "with what the services logged meanwhile under this trace")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		ctx := cmd.Context()
		if err := checkTraceID(words[0]); err != nil {
			return err
		}
		return a.tell(ctx, func(t teller) error {
			tr, err := settled(ctx, func() (telemetry.Trace, error) { return t.Trace(ctx, words[0]) })
			if err != nil {
				return err
			}
			if *asJSON {
				return a.jsonLines("span", len(tr.Rows), func(i int) any { return tr.Rows[i] })
			}
			out := a.shown()
			drawTrace(out, tr, *attrs)
			if !*logs {
				return nil
			}
			page, err := t.Logs(ctx, telemetry.Query{Filter: "trace=" + tr.ID.String(), Sort: "oldest", Limit: 1000})
			if err != nil {
				return err
			}
			fmt.Fprintln(out)
			drawLogs(out, page.Logs)
			return nil
		})
	}
	cmd.AddCommand(newTraceDiff(a))
	return cmd
}

// Services send spans up to half a second after they ended, and callers end last.
const (
	fresh      = 2 * time.Second // so long after a span its caller may still come
	settleMost = time.Second
	askAgain   = 100 * time.Millisecond
)

// settled asks for a trace until the callers of what has just happened are there, or a second has passed.
func settled(ctx context.Context, ask func() (telemetry.Trace, error)) (telemetry.Trace, error) {
	for until := time.Now().Add(settleMost); ; {
		tr, err := ask()
		at := time.Now()
		if err != nil || !at.Before(until) || !slices.ContainsFunc(tr.Rows, func(r telemetry.Row) bool {
			return r.Orphan && at.Sub(r.Start.Add(r.Duration)) < fresh
		}) {
			return tr, err
		}
		select {
		case <-ctx.Done():
			return tr, nil
		case <-time.After(askAgain):
		}
	}
}

// drawTrace draws a waterfall.
func drawTrace(s screen, t telemetry.Trace, attrs bool) {
	width := min(s.width, 160)
	head := fmt.Sprintf("%s  %s  %s", clean(strings.TrimSpace(t.Service+" "+t.Name)), telemetry.Took(t.Duration), count(t.Spans, "span"))
	if t.Errors > 0 {
		head += fmt.Sprintf("  %d failed", t.Errors)
	}
	fmt.Fprintln(s, s.paint(bold, shorten(head, width)))
	fmt.Fprintln(s, s.paint(dim, shorten(fmt.Sprintf("%s  %s", t.ID, t.Start.Local().Format("2006-01-02 15:04:05.000")), width)))
	if t.Partial {
		fmt.Fprintln(s, s.paint(dim, shorten("its beginning is not known: the first span here has a parent that nobody sent", width)))
	}
	w := waterfall{screen: s, trace: t}
	w.layout(width)
	for i := range t.Rows {
		w.row(&t.Rows[i], attrs)
	}
	if slices.ContainsFunc(t.Rows, func(r telemetry.Row) bool { return r.Guessed }) {
		fmt.Fprintln(s, s.paint(dim, shorten(guessedLegend, width)))
	}
}

const guessedLegend = "~ guessed: nobody said what it was for, and its service worked on nothing else"

// waterfall draws the rows of one trace.
type waterfall struct {
	screen
	trace       telemetry.Trace
	names, bars int // columns of the tree and of the bars; bars 0: none
}

// column widths beside tree and bar: " 123ms " and the mark.
const timeColumn = 8

func (w *waterfall) layout(width int) {
	need := 0
	for i := range w.trace.Rows {
		need = max(need, len([]rune(rowTitle(&w.trace.Rows[i])))+indentOf(w.trace.Rows[i].Depth))
	}
	w.names = min(need+2, max(20, width*6/10))
	if w.bars = width - w.names - timeColumn - 2; w.bars < 10 {
		w.bars, w.names = 0, min(need+2, width-timeColumn-1)
	}
}

// indentOf keeps deep trees on the screen.
func indentOf(depth int) int { return 2 * min(depth, 20) }

// rowTitle names a span: whose it is and what it did.
func rowTitle(r *telemetry.Row) string {
	who := r.Service
	if r.Edge != "" {
		who = strings.Replace(r.Edge, ":", " → ", 1)
	}
	return clean(strings.TrimSpace(who + "  " + r.Name))
}

func (w *waterfall) row(r *telemetry.Row, attrs bool) {
	indent := strings.Repeat(" ", indentOf(r.Depth))
	mark, colour := "  ", ""
	switch {
	case r.Status == telemetry.Failed:
		if mark, colour = "✗ ", red; r.Guessed {
			mark = "✗~"
		}
	case r.Orphan:
		mark = "? "
	case r.Guessed:
		mark = "~ "
	}
	title := pad(shorten(indent+mark+rowTitle(r), w.names), w.names)
	line := w.paint(colour, title) + fmt.Sprintf("%*s", timeColumn, telemetry.Took(r.Duration))
	if w.bars > 0 {
		line += "  " + w.bar(r, colour)
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
	detail := func(text, colour string) {
		fmt.Fprintln(w, w.paint(colour, shorten(indent+"    "+clean(text), min(w.width, 160))))
	}
	if r.Status == telemetry.Failed && r.Message != "" {
		detail(r.Message, red)
	}
	for _, e := range r.Events {
		if e.Name == "exception" || attrs {
			detail(fmt.Sprintf("%s +%s %s", e.Name, telemetry.Took(e.Time.Sub(r.Start)), attrText(e.Attrs)), dim)
		}
	}
	if attrs {
		for _, at := range r.Attrs {
			detail(fmt.Sprintf("%s = %v", at.Key, at.Value), dim)
		}
	}
}

func attrText(attrs []telemetry.Attr) string {
	var parts []string
	for _, at := range attrs {
		if at.Key == "exception.stacktrace" {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s=%v", at.Key, at.Value))
	}
	return strings.Join(parts, " ")
}

// bar draws when a span ran, heavy where it is on the critical path.
func (w *waterfall) bar(r *telemetry.Row, colour string) string {
	from := w.place(r.Start.Sub(w.trace.Start))
	to := max(w.place(r.Start.Add(r.Duration).Sub(w.trace.Start)), from+1)
	stroke := "─"
	if r.Critical > 0 {
		stroke = "━"
		if colour == "" {
			colour = cyan
		}
	}
	return strings.Repeat(" ", from) + w.paint(colour, strings.Repeat(stroke, to-from))
}

// place is the column of an offset.
func (w *waterfall) place(at time.Duration) int {
	if w.trace.Duration <= 0 {
		return 0
	}
	return min(max(int(int64(at)*int64(w.bars)/int64(w.trace.Duration)), 0), w.bars-1)
}

// drawLogs prints records, oldest first, for people.
func drawLogs(s screen, logs []telemetry.Log) {
	for _, l := range logs {
		colour := ""
		switch {
		case l.Severity >= telemetry.Error:
			colour = red
		case l.Severity >= telemetry.Warn:
			colour = yellow
		}
		who := l.Instance
		if who == "" {
			who = l.Service
		}
		head := fmt.Sprintf("%s %-5s %s", l.Time.Local().Format("15:04:05.000"), strings.ToUpper(l.Severity.String()), clean(who))
		var body []string
		for line := range strings.Lines(l.Body) {
			body = append(body, clean(strings.TrimRight(line, "\n")))
		}
		text := s.paint(colour, head) + "  " + strings.Join(body, "\n    ")
		if more := attrText(l.Attrs); more != "" {
			text += "  " + s.paint(dim, clean(more))
		}
		fmt.Fprintln(s, text)
	}
}
