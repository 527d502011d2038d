package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/telemetry"
)

func newMetrics(a *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "metrics [FILTER…]",
		Short: "Show the metrics that services send",
		Long: "metrics lists the series that services sent over OpenTelemetry with their last value and how they went.\n" +
			"A filter asks for service, name and attributes: service=orders name:queue. While the stack runs,\n" +
			"Prometheus can read the same at /metrics of the address that `msctl open --print telemetry` prints.",
		Example: "  msctl metrics\n  msctl metrics service=orders name:duration\n  msctl metrics --since 5m --json | jq -c '[.name, .points[-1].value]'",
	}
	since := cmd.Flags().String("since", "15m", "of the last `DURATION`, or since this time")
	limit := cmd.Flags().IntP("limit", "n", 200, "at most this `NUMBER` of series")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		from, err := momentFlag("--since", *since, time.Now())
		if err != nil {
			return err
		}
		if err := checkFilter(strings.Join(words, " ")); err != nil {
			return err
		}
		q := telemetry.MetricQuery{Filter: strings.Join(words, " "), Since: from, Limit: *limit}
		return a.tell(cmd.Context(), func(t teller) error {
			series, err := t.Metrics(cmd.Context(), q)
			if err != nil {
				return err
			}
			if *asJSON {
				return a.jsonLines("series", len(series), func(i int) any { return series[i] })
			}
			if len(series) == 0 {
				none := "no metric was sent"
				if q.Filter != "" {
					none = "no metric" + matching(telemetry.Query{Filter: q.Filter})
				}
				fmt.Fprintln(a.screenOf(a.Err), none)
				a.hintKeys(q.Filter, metricKeys())
				return nil
			}
			metricsTable(a.shown(), series)
			return nil
		})
	}
	return cmd
}

func metricsTable(s screen, series []telemetry.Series) {
	cols := []column{
		{title: "SERVICE", least: 8}, {title: "METRIC", least: 20}, {title: "LAST", right: true}, {title: "TREND"},
	}
	trend := 20
	if s.width < 120 {
		trend = 8
	}
	shown := slices.DeleteFunc(slices.Clone(series), func(m telemetry.Series) bool { return len(m.Points) == 0 })
	slices.SortStableFunc(shown, func(a, b telemetry.Series) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
	})
	rows, attrs := make([][]cell, len(shown)), make([]string, len(shown))
	for i, m := range shown {
		service := clean(m.Service)
		if s.terminal && i > 0 && shown[i-1].Service == m.Service {
			service = "" // a pipe gets it in every row
		}
		rows[i] = []cell{
			{service, bold}, {clean(m.Name), ""}, {lastValue(m), ""}, {sparkline(values(m), trend), cyan},
		}
		attrs[i] = clean(attrText(ownAttrs(m.Attrs)))
	}
	writeMetrics(s, cols, rows, attrs)
}

// writeMetrics puts the attributes, which tell the series of one name apart, into a column where all of them
// have room beside the others, and else folded below their series.
func writeMetrics(s screen, cols []column, rows [][]cell, attrs []string) {
	beside := append(slices.Clone(cols), column{title: "ATTRIBUTES"})
	wide := make([][]cell, len(rows))
	for i := range rows {
		wide[i] = append(slices.Clone(rows[i]), cell{attrs[i], dim})
	}
	total := 2 * len(cols)
	for _, w := range needs(beside, wide) {
		total += w
	}
	if total <= s.width {
		writeTable(s, "", beside, wide)
		return
	}
	widths := fit(s.width, cols, rows)
	writeRow(s, "", cols, widths, titles(cols))
	indent := strings.Repeat(" ", widths[0]+4)
	for i, row := range rows {
		writeRow(s, "", cols, widths, row)
		for line := range strings.Lines(fold(attrs[i], s.width, indent)) {
			line = shorten(strings.TrimRight(line, "\n"), s.width)
			fmt.Fprintln(s, s.paint(dim, line))
		}
	}
}

// ownAttrs leaves out what every series of a service has.
func ownAttrs(attrs []telemetry.Attr) []telemetry.Attr {
	return slices.DeleteFunc(slices.Clone(attrs), func(a telemetry.Attr) bool { return a.Key == "service.instance.id" })
}

// lastValue is the newest value of a series with its unit; of a histogram the mean and the count.
func lastValue(m telemetry.Series) string {
	p := m.Points[len(m.Points)-1]
	if m.Type == "histogram" || m.Type == "summary" {
		if p.Count == 0 {
			return "none"
		}
		return fmt.Sprintf("%s × %d", withUnit(p.Value/float64(p.Count), m.Unit), p.Count)
	}
	return withUnit(p.Value, m.Unit)
}

// withUnit writes a value with its UCUM unit for people.
func withUnit(v float64, unit string) string {
	switch unit {
	case "By":
		return cmp.Or(amount(int64(v)), "0B")
	case "s":
		return telemetry.Took(time.Duration(v * float64(time.Second)))
	case "ms":
		return telemetry.Took(time.Duration(v * float64(time.Millisecond)))
	}
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if unit == "" || unit == "1" || strings.HasPrefix(unit, "{") {
		return text
	}
	return text + " " + clean(unit)
}

// values are what a sparkline shows: of what only grows, how much it grew.
func values(m telemetry.Series) []float64 {
	var out []float64
	for i, p := range m.Points {
		v := p.Value
		if m.Type == "histogram" || m.Type == "summary" {
			v = float64(p.Count)
		}
		if !m.Monoton && m.Type == "sum" || m.Type == "gauge" {
			out = append(out, v)
			continue
		}
		if i > 0 {
			before := m.Points[i-1].Value
			if m.Type != "sum" {
				before = float64(m.Points[i-1].Count)
			}
			out = append(out, max(v-before, 0))
		}
	}
	return out
}

// sparkline draws the last values as bars, at most width.
func sparkline(v []float64, width int) string {
	v = v[max(0, len(v)-width):]
	least, most := 0.0, 0.0
	for _, x := range v {
		least, most = min(least, x), max(most, x)
	}
	if most == least {
		return strings.Repeat("▁", len(v))
	}
	var b strings.Builder
	for _, x := range v {
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[int((x-least)/(most-least)*7)])
	}
	return b.String()
}
