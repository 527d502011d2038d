package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// table is the figures of all measures.
type table struct {
	ways  []*way
	lines []string
}

// measure takes the figures of one measure, the ways in turn.
func (t *table) measure(ctx context.Context, o options, m measure) error {
	fmt.Fprintf(os.Stderr, "measure %s …\n", m.name)
	all := make([][][]float64, len(t.ways)) // by way, by row, the runs
	for i := range all {
		all[i] = make([][]float64, len(m.rows))
	}
	for range o.runs {
		for i, w := range t.ways {
			if err := ctx.Err(); err != nil {
				return err
			}
			got, err := m.run(o, w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			for r, v := range got {
				all[i][r] = append(all[i][r], v)
			}
		}
	}
	for r, row := range m.rows {
		t.line(row, func(way int) float64 { return middle(all[way][r]) })
	}
	return nil
}

// line adds one row of the table.
func (t *table) line(r row, of func(way int) float64) {
	cells := []string{r.name}
	for i := range t.ways {
		cells = append(cells, cell(r, of(i)))
	}
	for len(cells) < 4 {
		cells = append(cells, "")
	}
	ratio, target := "", ""
	if len(t.ways) > 2 && of(2) != 0 {
		ratio = fmt.Sprintf("%.2fx", of(1)/of(2))
	}
	if r.target != 0 {
		target = fmt.Sprintf("%.2fx", r.target)
	}
	t.lines = append(t.lines, "| "+strings.Join(append(cells, ratio, target), " | ")+" |")
}

func cell(r row, v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(r.format, v*r.scale)
}

func (t *table) print(w io.Writer) {
	fmt.Fprintln(w, "| what | direct | msctl | toxiproxy | ratio | to reach |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- |")
	for _, l := range t.lines {
		fmt.Fprintln(w, l)
	}
}
