package tui

import "strings"

// column is one column of a table.
type column struct {
	title string
	width int
	flex  bool // takes what is left
	right bool // numbers
	drop  int  // left out where the room is short, the highest first; 0 never
}

// cell is one field of a row.
type cell struct {
	text string // clean
	tone tone
}

// layout returns the width of each column in w columns, gutter and gaps apart; 0 is left out.
func layout(cols []column, w int) []int {
	widths := make([]int, len(cols))
	for i, c := range cols {
		widths[i] = c.width
	}
	for {
		used, worst := gutter-1, -1
		for i, c := range cols {
			if widths[i] == 0 {
				continue
			}
			used += widths[i] + 1
			if c.drop > 0 && (worst < 0 || c.drop >= cols[worst].drop) {
				worst = i
			}
		}
		if used > w && worst >= 0 {
			widths[worst] = 0
			continue
		}
		spread(cols, widths, w-used)
		return widths
	}
}

// spread gives what is left to the flexible columns, or takes what lacks from them.
func spread(cols []column, widths []int, left int) {
	n := 0
	for i, c := range cols {
		if c.flex && widths[i] > 0 {
			n++
		}
	}
	for i, c := range cols {
		if c.flex && widths[i] > 0 {
			widths[i] = max(1, widths[i]+left/n)
			left -= left / n
			n--
		}
	}
}

// gutter is the mark of the chosen row and the space after it.
const gutter = 2

// head draws the titles.
func (m *model) head(cols []column, widths []int) string {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", gutter-1))
	for i, c := range cols {
		if widths[i] > 0 {
			b.WriteByte(' ')
			b.WriteString(place(c, c.title, widths[i]))
		}
	}
	return m.theme.paint(faint, strings.TrimRight(b.String(), " "))
}

// row draws one row. Where it has fewer cells than there are columns, the last takes the room of the rest.
func (m *model) row(cols []column, widths []int, cells []cell, here bool) string {
	var b strings.Builder
	b.WriteString(mark(here))
	for i, c := range cols[:len(cells)] {
		wide := widths[i]
		if i == len(cells)-1 && len(cells) < len(cols) {
			c.right, wide = false, restOf(widths[i:])
		}
		if wide == 0 {
			continue
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		text := place(c, cells[i].text, wide)
		if !here {
			text = m.theme.paint(cells[i].tone, text)
		}
		b.WriteString(text)
	}
	if here {
		return m.theme.bar(b.String())
	}
	return b.String()
}

// restOf is the room of columns together, with the gaps between them.
func restOf(widths []int) int {
	sum := -1
	for _, w := range widths {
		if w > 0 {
			sum += w + 1
		}
	}
	return max(0, sum)
}

// mark is the gutter of a row: the chosen one can be told without colours.
func mark(here bool) string {
	if here {
		return "▌ "
	}
	return "  "
}

func place(c column, text string, w int) string {
	if c.right {
		return fitRight(text, w)
	}
	return fit(text, w)
}
