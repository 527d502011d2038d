package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"msctl.dev/msctl/internal/bench/proc"
)

// none is the figure of what a way does not have.
var none = math.NaN()

// table is the figures of all runs.
type table struct {
	ways []string             // those that were measured, in the order of the columns
	got  map[string][]float64 // by way and row
}

func newTable(kinds []kind) *table {
	t := &table{got: map[string][]float64{}}
	for _, k := range kinds {
		t.ways = append(t.ways, k.name)
	}
	return t
}

// add takes the figures of one measure of one way.
func (t *table) add(way string, m measure, figures []float64) {
	for i, v := range figures {
		key := way + "\x00" + m.rows[i].name
		t.got[key] = append(t.got[key], v)
	}
}

// of is the median of one figure, or none.
func (t *table) of(way string, r row) float64 {
	all := t.got[way+"\x00"+r.name]
	if len(all) == 0 {
		return none
	}
	return proc.Median(all)
}

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "| what | %s | msctl to toxiproxy | to reach |\n", strings.Join(t.ways, " | "))
	fmt.Fprintln(w, strings.Repeat("| --- ", len(t.ways)+3)+"|")
	for _, m := range measures {
		for _, r := range m.rows {
			if !math.IsNaN(t.of("msctl", r)) {
				fmt.Fprintln(w, t.line(r))
			}
		}
	}
}

// line is one row of the table.
func (t *table) line(r row) string {
	cells := []string{r.name}
	for _, way := range t.ways {
		cell := ""
		if v := t.of(way, r); !math.IsNaN(v) {
			cell = fmt.Sprintf(r.format, v*r.scale)
		}
		cells = append(cells, cell)
	}
	ratio := ""
	if v := t.of("msctl", r) / t.of("toxiproxy", r); !math.IsNaN(v) && !math.IsInf(v, 0) && r.goal != "none lost" {
		ratio = fmt.Sprintf("%.2fx", v)
	}
	return "| " + strings.Join(append(cells, ratio, r.goal), " | ") + " |"
}
