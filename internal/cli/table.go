package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// column is one column of a table. Text that does not fit its column is cut with an ellipsis.
type column struct {
	title string
	least int // columns that it is not cut below while others can give way; 0 means that it is not cut
	spare int // on a narrow screen columns are left out, highest first; 0 stays
	right bool
}

// cell is one text with its colour.
type cell struct{ text, colour string }

// writeTable prints rows so that no line is longer than the screen: the columns that may be cut give
// way, widest first, then those that can be spared go, and at last every column is cut.
func writeTable(s screen, indent string, cols []column, rows [][]cell) {
	cols, rows = spare(s.width-len(indent), cols, rows)
	widths := fit(s.width-len(indent), cols, rows)
	for _, row := range append([][]cell{titles(cols)}, rows...) {
		writeRow(s, indent, cols, widths, row)
	}
}

// titles is the first row of a table.
func titles(cols []column) []cell {
	head := make([]cell, len(cols))
	for i, c := range cols {
		head[i] = cell{c.title, dim}
	}
	return head
}

// spare leaves out columns until the others have room at their least widths.
func spare(total int, cols []column, rows [][]cell) ([]column, [][]cell) {
	for {
		sum, most := 2*(len(cols)-1), 0
		for i, w := range needs(cols, rows) {
			if cols[i].least > 0 {
				w = min(w, cols[i].least)
			}
			sum += w
			if cols[i].spare > cols[most].spare {
				most = i
			}
		}
		if sum <= total || cols[most].spare == 0 {
			return cols, rows
		}
		cols, rows = without(cols, rows, most)
	}
}

// spareEmpty leaves out the columns that no row has a text for, when not all columns fit with their texts.
func spareEmpty(total int, cols []column, rows [][]cell) ([]column, [][]cell) {
	sum := 2 * (len(cols) - 1)
	for _, w := range needs(cols, rows) {
		sum += w
	}
	for i := len(cols) - 1; sum > total && i >= 0; i-- {
		if !slices.ContainsFunc(rows, func(r []cell) bool { return r[i].text != "" }) {
			cols, rows = without(cols, rows, i)
		}
	}
	return cols, rows
}

// without leaves out one column.
func without(cols []column, rows [][]cell, i int) ([]column, [][]cell) {
	left := make([][]cell, len(rows))
	for at, r := range rows {
		left[at] = slices.Delete(slices.Clone(r), i, i+1)
	}
	return slices.Delete(slices.Clone(cols), i, i+1), left
}

// needs returns the width that each column would have with all its text.
func needs(cols []column, rows [][]cell) []int {
	widths := make([]int, len(cols))
	for i, c := range cols {
		widths[i] = utf8.RuneCountInString(c.title)
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i].text))
		}
	}
	return widths
}

func writeRow(s screen, indent string, cols []column, widths []int, row []cell) {
	var b strings.Builder
	b.WriteString(indent)
	for i, c := range row {
		text := squeeze(c.text, widths[i])
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
	widths := needs(cols, rows)
	sum := 2 * (len(cols) - 1)
	for _, w := range widths {
		sum += w
	}
	for ; sum > total; sum-- {
		i := widest(widths, func(i int) bool { return cols[i].least > 0 && widths[i] > cols[i].least })
		if i < 0 {
			i = widest(widths, func(i int) bool { return widths[i] > 1 })
		}
		if i < 0 {
			break
		}
		widths[i]--
	}
	return widths
}

// widest returns the index of the greatest of those widths that may be cut, or -1.
func widest(widths []int, may func(int) bool) int {
	best := -1
	for i, w := range widths {
		if may(i) && (best < 0 || w > widths[best]) {
			best = i
		}
	}
	return best
}

// fold breaks text between words so that no line is longer than width, each with the indent.
func fold(text string, width int, indent string) string {
	var b strings.Builder
	room := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
			b.WriteString(indent)
			room = width - len(indent)
		case n+1 > room:
			b.WriteString("\n" + indent)
			room = width - len(indent)
		default:
			b.WriteString(" ")
			room--
		}
		b.WriteString(word)
		room -= n
	}
	return b.String()
}

// squeeze cuts text to width; of an address the scheme goes first, for its port says more.
func squeeze(text string, width int) string {
	if scheme, rest, is := strings.Cut(text, "://"); is && utf8.RuneCountInString(text) > width && !strings.Contains(scheme, " ") {
		text = rest
	}
	return shorten(text, width)
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
