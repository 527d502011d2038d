// Command picture turns what a terminal shows (`tmux capture-pane -e -p`) into an SVG for the documents.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

func main() {
	if err := draw(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// Sizes of a cell and of the edge around the screen, in pixels.
const (
	cellWidth, cellHeight = 8.4, 18
	margin                = 12
)

// The colours of the picture: a dark screen, and the first sixteen of a terminal.
const ground, ink = "#1b1e24", "#d5d8de"

var palette = [16]string{"#1b1e24", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d5d8de",
	"#5c6370", "#ff7b86", "#b1e18b", "#f5d08b", "#7cc3ff", "#dd94f2", "#6fd3df", "#ffffff"}

// pen is how text is drawn.
type pen struct {
	fore, back            string
	bold, faint, reversed bool
}

// run is some text drawn with one pen.
type run struct {
	pen
	text   string
	column int
	width  int
}

// draw reads rows with SGR sequences and writes an SVG.
func draw(in io.Reader, out io.Writer) error {
	var rows [][]run
	columns := 0
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 1<<20)
	p := pen{}
	for sc.Scan() {
		var runs []run
		runs, p = split(sc.Text(), p)
		rows = append(rows, runs)
		if n := len(runs); n > 0 {
			columns = max(columns, runs[n-1].column+runs[n-1].width)
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read screen: %w", err)
	}
	w, h := float64(columns)*cellWidth+2*margin, len(rows)*cellHeight+2*margin
	b := bufio.NewWriter(out)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">`+"\n", w, h)
	fmt.Fprintf(b, `<rect width="100%%" height="100%%" rx="6" fill="%s"/>`+"\n", ground)
	for y, runs := range rows {
		for _, r := range runs {
			r.write(b, y)
		}
	}
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

// split cuts a row where the pen changes.
func split(row string, p pen) ([]run, pen) {
	var runs []run
	column := 0
	for row != "" {
		if rest, ok := strings.CutPrefix(row, "\x1b["); ok {
			if params, after, ok := strings.Cut(rest, "m"); ok {
				p, row = p.set(params), after
				continue
			}
		}
		text := row
		if i := strings.IndexByte(row[1:], '\x1b'); i >= 0 {
			text = row[:i+1]
		}
		row = row[len(text):]
		n := ansi.StringWidth(text)
		runs = append(runs, run{p, text, column, n})
		column += n
	}
	return runs, p
}

// set applies the parameters of one SGR sequence.
func (p pen) set(params string) pen {
	codes := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	if len(codes) == 0 {
		return pen{}
	}
	for i := 0; i < len(codes); i++ {
		n, _ := strconv.Atoi(codes[i])
		switch {
		case n == 0:
			p = pen{}
		case n == 1:
			p.bold = true
		case n == 2:
			p.faint = true
		case n == 22:
			p.bold, p.faint = false, false
		case n == 7:
			p.reversed = true
		case n == 27:
			p.reversed = false
		case n >= 30 && n <= 37:
			p.fore = palette[n-30]
		case n >= 90 && n <= 97:
			p.fore = palette[n-90+8]
		case n == 39:
			p.fore = ""
		case n >= 40 && n <= 47:
			p.back = palette[n-40]
		case n == 49:
			p.back = ""
		case (n == 38 || n == 48) && i+2 < len(codes) && codes[i+1] == "5":
			c, _ := strconv.Atoi(codes[i+2])
			if n == 38 {
				p.fore = indexed(c)
			} else {
				p.back = indexed(c)
			}
			i += 2
		}
	}
	return p
}

// indexed is a colour of the 256.
func indexed(n int) string {
	switch {
	case n < 0 || n > 255:
		return ink
	case n < 16:
		return palette[n]
	case n >= 232:
		v := 8 + 10*(n-232)
		return fmt.Sprintf("#%02x%02x%02x", v, v, v)
	}
	level := [6]int{0, 95, 135, 175, 215, 255}
	n -= 16
	return fmt.Sprintf("#%02x%02x%02x", level[n/36], level[n/6%6], level[n%6])
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// write draws a run in row y.
func (r run) write(w io.Writer, y int) {
	fore, back := r.fore, r.back
	if fore == "" {
		fore = ink
	}
	if r.reversed {
		if back == "" {
			back = ground
		}
		fore, back = back, fore
	}
	x, top := margin+float64(r.column)*cellWidth, margin+y*cellHeight
	if back != "" {
		fmt.Fprintf(w, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, top, float64(r.width)*cellWidth, cellHeight, back)
	}
	if strings.TrimSpace(r.text) == "" {
		return
	}
	style := ""
	if r.bold {
		style += ` font-weight="bold"`
	}
	if r.faint {
		style += ` opacity="0.6"`
	}
	fmt.Fprintf(w, `<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`+"\n",
		x, top+14, fore, style, float64(r.width)*cellWidth, escape.Replace(r.text))
}
