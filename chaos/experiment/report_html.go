package experiment

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

//go:embed report.html
var page string

// HTML is the journal as one file that needs no other.
func (j *Journal) HTML() ([]byte, error) {
	t, err := template.New("report").Funcs(template.FuncMap{"seconds": seconds, "milli": milli, "mark": mark, "share": share,
		"when": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		*Journal
		Charts []chart
		Width  int
		Height int
		Fall   []bar
	}{j, j.charts(), chartWidth, chartHeight, fall(j.Trace)})
	if err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return b.Bytes(), nil
}

// Sizes of a chart in pixels.
const (
	chartWidth  = 760
	chartHeight = 64
)

// chart is one edge over time.
type chart struct {
	Edge  string
	Bands []band
	Rows  []row
	Ticks []tick
}

// band is a fault on the edge.
type band struct {
	X, Width float64
	Name     string
}

// row is one figure over time.
type row struct {
	Name, Class, Most, Path string
}

type tick struct {
	X    float64
	Text string
}

func (j *Journal) charts() (all []chart) {
	end := time.Second
	for _, l := range j.Edges {
		if n := len(l.Points); n > 0 {
			end = max(end, l.Points[n-1].At)
		}
	}
	for _, f := range j.Faults {
		end = max(end, f.To)
	}
	x := func(d time.Duration) float64 { return math.Round(float64(d)/float64(end)*chartWidth*10) / 10 }
	for _, l := range j.Edges {
		c := chart{Edge: l.Edge}
		for _, f := range j.Faults {
			if len(f.Edges) == 0 || slices.Contains(f.Edges, l.Edge) {
				c.Bands = append(c.Bands, band{x(f.From), max(1, x(f.To)-x(f.From)), f.Name})
			}
		}
		of := func(name, class string, value func(Point) float64, show func(float64) string) {
			c.Rows = append(c.Rows, drawn(name, class, l.Points, x, value, show))
		}
		perSecond := func(v float64) string { return fmt.Sprintf("%.0f/s", v) }
		of("requests", "rate", func(p Point) float64 { return p.Rate }, perSecond)
		of("errors", "errors", func(p Point) float64 { return p.Errors }, perSecond)
		of("p95 of 10 s", "p95", func(p Point) float64 { return p.P95.Seconds() }, func(v float64) string {
			return milli(time.Duration(v * float64(time.Second)))
		})
		for s := time.Duration(0); s <= end; s += max(time.Second, (end / 10).Round(time.Second)) {
			c.Ticks = append(c.Ticks, tick{x(s), s.String()})
		}
		all = append(all, c)
	}
	return all
}

// drawn is a figure as a path that fills the height of its chart.
func drawn(name, class string, points []Point, x func(time.Duration) float64, value func(Point) float64, show func(float64) string) row {
	most := 0.0
	for _, p := range points {
		most = max(most, value(p))
	}
	var path strings.Builder
	for i, p := range points {
		y := chartHeight - 2.0
		if most > 0 {
			y -= value(p) / most * (chartHeight - 6)
		}
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", letter, x(p.At), y)
	}
	return row{name, class, show(most), path.String()}
}

// bar is one span of a waterfall.
type bar struct {
	Who, Name, Took, Message string
	Indent                   int
	Left, Width              float64 // in percent
	Failed, Critical         bool
}

// mostBars is how many spans of a trace are shown.
const mostBars = 400

func fall(t *telemetry.Trace) (all []bar) {
	if t == nil {
		return nil
	}
	whole := max(t.Duration.Seconds(), 1e-9)
	for _, r := range t.Rows[:min(len(t.Rows), mostBars)] {
		who := r.Service
		if r.Edge != "" {
			who = strings.Replace(r.Edge, ":", " → ", 1)
		}
		left := min(99.5, max(0, r.Start.Sub(t.Start).Seconds()/whole*100))
		all = append(all, bar{who, r.Name, telemetry.Took(r.Duration), r.Message, 12 * min(r.Depth, 20), left,
			max(0.4, min(100-left, r.Duration.Seconds()/whole*100)), r.Status == telemetry.Failed, r.Critical > 0})
	}
	return all
}
