package tui

import (
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/telemetry"
)

// Everything that a service says passes clean or plainText before it is drawn: nothing but colours can
// reach the terminal (promise D2).

// clean keeps the colours of text; tabs become spaces.
func clean(text []byte) string { return untab(output.Clean(text)) }

// plainText drops colours too.
func plainText(text string) string { return untab(output.Plain([]byte(text))) }

func untab(text string) string { return strings.ReplaceAll(text, "\t", "    ") }

// bare removes SGR sequences from a row that is already clean.
func bare(row string) string {
	if strings.IndexByte(row, '\x1b') < 0 {
		return row
	}
	return ansi.Strip(row)
}

// width is how many columns a clean row takes.
func width(row string) int {
	if printable(row) {
		return len(row)
	}
	return ansi.StringWidth(row)
}

func printable(row string) bool {
	for i := range len(row) {
		if row[i] < ' ' || row[i] >= 0x7f {
			return false
		}
	}
	return true
}

// cut shortens a clean row to at most w columns, with an ellipsis where something is left out.
func cut(row string, w int) string {
	switch {
	case w <= 0:
		return ""
	case len(row) <= w, width(row) <= w:
		return row
	}
	return ansi.Truncate(row, w, "…")
}

// fit makes a clean row exactly w columns wide.
func fit(row string, w int) string {
	row = cut(row, w)
	if n := w - width(row); n > 0 {
		return row + strings.Repeat(" ", n)
	}
	return row
}

// fitRight is fit with the text at the right edge.
func fitRight(row string, w int) string {
	row = cut(row, w)
	if n := w - width(row); n > 0 {
		return strings.Repeat(" ", n) + row
	}
	return row
}

// wrap breaks clean text into rows of at most w columns.
func wrap(text string, w int) []string {
	return strings.Split(ansi.Hardwrap(text, max(w, 1), true), "\n")
}

// words breaks plain text at spaces into rows of at most w columns.
func words(text string, w int) []string {
	return strings.Split(ansi.Wrap(text, max(w, 1), ""), "\n")
}

// took shows a duration, or a dash where there is none.
func took(d time.Duration) string {
	if d <= 0 {
		return "–"
	}
	return telemetry.Took(d)
}

// ago shows a window of whole minutes: "15 minutes".
func ago(d time.Duration) string { return plural(int(d.Minutes()), "minute") }

// size shows bytes with a unit: 812B, 4.2K, 93M, 1.4G.
func size(n int64) string {
	v := float64(n)
	switch {
	case n <= 0:
		return "–"
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + "B"
	case n < 1<<20:
		return short(v/(1<<10)) + "K"
	case n < 1<<30:
		return short(v/(1<<20)) + "M"
	}
	return short(v/(1<<30)) + "G"
}

// count shows a number in at most five columns: 0, 812, 4.2k, 93k, 1.4M.
func count(n int64) string {
	switch v := float64(n); {
	case n < 10000:
		return strconv.FormatInt(n, 10)
	case n < 1e6:
		return short(v/1e3) + "k"
	case n < 1e9:
		return short(v/1e6) + "M"
	default:
		return short(v/1e9) + "G"
	}
}

// rate shows how many per second.
func rate(v float64) string {
	switch {
	case v <= 0:
		return "–"
	case v < 0.05:
		return "<0.1"
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return count(int64(v + 0.5))
}

// percent shows part of whole.
func percent(part, whole float64) string {
	if part <= 0 || whole <= 0 {
		return "–"
	}
	p := 100 * part / whole
	if p < 10 {
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	}
	return strconv.Itoa(int(p+0.5)) + "%"
}

func short(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.Itoa(int(v + 0.5))
}

// clock shows the time of day.
func clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format("15:04:05")
}

// moment is the time of a day, with the day where that is not today.
func (m *model) moment(t time.Time) string {
	if m.today(t) {
		return clock(t)
	}
	return t.Local().Format(dayTime)
}

// dayTime is as wide as what it makes.
const dayTime = "Jan 02 15:04"

// momentWidth is the width of the moments from t on.
func (m *model) momentWidth(t time.Time) int {
	if m.today(t) {
		return len(time.TimeOnly)
	}
	return len(dayTime)
}

func (m *model) today(t time.Time) bool {
	return t.IsZero() || t.Local().Format(time.DateOnly) == m.now().Local().Format(time.DateOnly)
}

// clockMilli is clock with milliseconds.
func clockMilli(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format("15:04:05.000")
}
