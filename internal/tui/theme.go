package tui

import "strings"

// tone is what a piece of text means; a theme gives it a colour. Nothing is said by colour alone.
type tone uint8

const (
	plain  tone = iota
	strong      // headings, names
	faint       // what matters less
	good
	warn
	bad
	accent // links, keys, ids
	chosen // the row under the cursor
	tones
)

// theme is the SGR parameters of each tone. The renderer drops colours where the terminal shows none;
// bold, faint and reverse stay.
type theme [tones]string

// The themes: the sixteen colours of the terminal's own palette on dark, darker ones on light, where
// yellow and cyan are hard to read.
var (
	dark  = theme{strong: "1", faint: "2", good: "32", warn: "33", bad: "31", accent: "36", chosen: "7"}
	light = theme{strong: "1", faint: "2", good: "38;5;28", warn: "38;5;130", bad: "38;5;160", accent: "38;5;25", chosen: "7"}
)

const off = "\x1b[0m"

// paint gives text a tone.
func (t *theme) paint(k tone, text string) string {
	if t[k] == "" || text == "" {
		return text
	}
	return "\x1b[" + t[k] + "m" + text + off
}

// bar paints a whole row as chosen; colours inside it give way.
func (t *theme) bar(row string) string {
	return t.paint(chosen, bare(row))
}

// prefixTones are given to units in turn, in the logs.
var prefixCodes = [...]string{"36", "33", "32", "35", "34", "96", "92", "95", "94"}

// unitColour returns the SGR parameters of a unit's name, the same wherever it is shown.
func unitColour(name string) string {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return prefixCodes[h%uint32(len(prefixCodes))]
}

// spark draws values as a line of blocks, scaled to the greatest, in at most w columns: the newest ones.
func spark(values []float64, w int) string {
	if len(values) > w {
		values = values[len(values)-w:]
	}
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", w-len(values)))
	for _, v := range values {
		switch {
		case v <= 0:
			b.WriteRune('▁')
		default:
			b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(7, int(v/most*7+0.5))])
		}
	}
	return b.String()
}
