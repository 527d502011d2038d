package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// column is one column of a table. Text that does not fit its column is cut with an ellipsis.
type column struct {
	title string
	least int // columns that it is never cut below; 0 means that it is never cut
	right bool
}

// cell is one text with its colour.
type cell struct{ text, colour string }

// writeTable prints rows so that they fit the screen: first to their need, then the columns that may be
// cut give way, widest first.
func writeTable(s screen, indent string, cols []column, rows [][]cell) {
	widths := fit(s.width-len(indent), cols, rows)
	head := make([]cell, len(cols))
	for i, c := range cols {
		head[i] = cell{c.title, dim}
	}
	for _, row := range append([][]cell{head}, rows...) {
		writeRow(s, indent, cols, widths, row)
	}
}

func writeRow(s screen, indent string, cols []column, widths []int, row []cell) {
	var b strings.Builder
	b.WriteString(indent)
	for i, c := range row {
		text := shorten(c.text, widths[i])
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if cols[i].right {
			b.WriteString(pad)
		}
		b.WriteString(s.paint(c.colour, text))
		if i < len(row)-1 {
			if !cols[i].right {
				b.WriteString(pad)
			}
			b.WriteString("  ")
		}
	}
	io.WriteString(s, strings.TrimRight(b.String(), " ")+"\n")
}

// fit returns the width of each column.
func fit(total int, cols []column, rows [][]cell) []int {
	widths := make([]int, len(cols))
	sum := 2 * (len(cols) - 1)
	for i, c := range cols {
		widths[i] = utf8.RuneCountInString(c.title)
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i].text))
		}
		sum += widths[i]
	}
	for ; sum > total; sum-- {
		widest := -1
		for i, c := range cols {
			if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// shorten cuts text to width with an ellipsis.
func shorten(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// bytesText is a size for people: 12 MB.
func bytesText(n int64) string {
	if n <= 0 {
		return ""
	}
	const mega = 1 << 20
	if n < 10*mega {
		return fmt.Sprintf("%.1fM", float64(n)/mega)
	}
	return fmt.Sprintf("%dM", n/mega)
}
