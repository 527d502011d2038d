package stack

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawn writes random stack files in every style that people use.
type drawn struct {
	*rapid.T
	b    strings.Builder
	step string
	tidy bool // no comments and blank lines at odd places
}

func (d *drawn) one(words ...string) string { return rapid.SampledFrom(words).Draw(d.T, "word") }
func (d *drawn) yes() bool                  { return rapid.Bool().Draw(d.T, "yes") }

// line writes one line, often with something around it that means nothing.
func (d *drawn) line(depth int, text string) {
	indent := strings.Repeat(d.step, depth)
	if !d.tidy {
		d.b.WriteString(d.one("", "", "", "", "\n", indent+"# remark: {a, [b\n", "# 'at the margin'\n", "  \n", indent+d.step+"# deeper\n", "\n"+indent+"# apart\n\n"))
	}
	d.b.WriteString(indent + text + d.one("", "", "", " # 'why", "   # [x", " ") + "\n")
}

// list writes a list of names under a key.
func (d *drawn) list(depth int, key string, names ...string) {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = d.one(n, n, `"`+n+`"`, "'"+n+"'")
	}
	switch d.one("flow", "tight", "wide", "block", "indentless", "lines", "trailing", "wrapped") {
	case "flow":
		d.line(depth, key+": ["+strings.Join(quoted, ", ")+"]")
	case "tight":
		d.line(depth, key+":  ["+strings.Join(quoted, ",")+"]")
	case "wide":
		d.line(depth, key+": [ "+strings.Join(quoted, ", ")+" ]")
	case "block":
		d.line(depth, key+":")
		for _, q := range quoted {
			d.line(depth+1, "- "+q)
		}
	case "indentless":
		d.line(depth, key+":")
		for _, q := range quoted {
			d.line(depth, "-   "+q)
		}
	case "lines":
		d.line(depth, key+": [")
		for i, q := range quoted {
			d.line(depth+1, q+map[bool]string{true: ","}[i+1 < len(quoted)])
		}
		d.line(depth, "]")
	case "trailing":
		d.line(depth, key+": [")
		for _, q := range quoted {
			d.line(depth+1, q+",")
		}
		d.line(depth, "]")
	case "wrapped":
		d.line(depth, key+": ["+strings.Join(quoted, ",\n"+strings.Repeat(d.step, depth+1))+"]")
	}
}

// service writes one service that calls some of those that follow it.
func (d *drawn) service(name string, calls, uses []string) {
	if len(calls)+len(uses) == 0 && d.one("short", "long") == "short" {
		d.line(1, name+": {command: x, listen: {http: auto, grpc: auto}}")
		return
	}
	if len(calls) > 0 && d.one("short", "long", "long", "long") == "short" {
		d.line(1, name+`: { command: "a, b", listen: {http: auto, grpc: auto}, calls: [`+strings.Join(calls, ", ")+"] }")
		return
	}
	d.line(1, d.one(name, `"`+name+`"`)+":"+d.one("", " &"+name+"-anchor"))
	d.line(2, d.one("command: run it", "command: [run, 'it''s', \"\\\"]\"]", "command: >-\n"+strings.Repeat(d.step, 3)+"run it\n\n"+strings.Repeat(d.step, 3)+"# not a remark", "command: run\n"+strings.Repeat(d.step, 3)+"it there"))
	if d.yes() {
		d.line(2, "listen: {http: auto, grpc: auto}")
	} else {
		d.line(2, "listen:")
		d.line(3, "http: auto")
		d.line(3, "grpc:")
	}
	if len(calls) > 0 {
		d.list(2, "calls", calls...)
	}
	if len(uses) > 0 {
		d.list(2, "uses", uses...)
	}
	if d.yes() {
		d.line(2, "env:")
		d.line(3, `A: "${r.url} # ["`)
		d.b.WriteString(strings.Repeat(d.step, 3) + d.one("B: |\n", "B: |+\n", "B: |-\n", "B: >\n") + strings.Repeat(d.step, 4) + "text: [\n\n" + strings.Repeat(d.step, 4) + "# text\n" + d.one("", "\n", "\n\n"))
	}
}

// file draws a whole file and its services.
func (d *drawn) file() (text string, services []string) {
	d.step = d.one("  ", "    ", "   ", " ")
	d.tidy = d.yes()
	d.b.WriteString(d.one("", "# yaml-language-server: x\n", "---\n", "\n\n"))
	d.line(0, "version: 1")
	services = []string{"a", "b-2", "c", "1"}[:rapid.IntRange(1, 4).Draw(d.T, "services")]
	d.line(0, "resources:")
	d.line(1, "r: {type: redis}")
	if d.yes() {
		d.line(1, "second:")
		d.line(2, "type: postgres")
	}
	d.line(0, "services:"+d.one("", " # all of them"))
	for i, s := range services {
		var calls []string
		if i+1 < len(services) && d.yes() {
			calls = services[i+1 : rapid.IntRange(i+2, len(services)).Draw(d.T, "calls")]
		}
		var uses []string
		if d.yes() {
			uses = []string{"r"}
		}
		d.service(s, calls, uses)
	}
	if d.yes() {
		d.b.WriteString("profiles:\n" + d.step + "p:\n" + d.step + "- " + services[0] + "\n" + d.one("", "# the end\n"))
	}
	text = d.b.String()
	if d.one("lf", "lf", "crlf") == "crlf" {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if strings.Contains(text, "profiles:") && d.yes() { // else a text over lines may be the last thing, and would change
		text = strings.TrimRight(text, "\r\n")
	}
	return text, services
}

// TestEditRandom edits random files: each edit succeeds, the file says what it should, and every line but
// those that say something else now is still there, byte for byte and in order.
func TestEditRandom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text, services := (&drawn{T: rt}).file()
		d, err := Edit([]byte(text))
		if err != nil {
			rt.Fatalf("a drawn file is wrong: %v\n%s", err, text)
		}
		last := services[len(services)-1]
		for _, e := range []struct {
			what string
			lost int // lines that may change
			do   func() error
		}{
			{"service", 0, func() error {
				return d.AddService("fresh", "command: y\nlisten: {http: auto, grpc: auto} # ports\nenv:\n  # why\n  A: b\n")
			}},
			{"resource", 0, func() error { return d.AddResource("db", "{type: postgres, embedded: sqlite}") }},
			{"call", 1, func() error { return d.AddCall(services[0], "fresh", "") }},
			{"use", 1, func() error { return d.AddUse(services[0], "db") }},
			{"call by protocol", 8, func() error { return d.AddCall(last, "fresh", "grpc") }},
			{"one more protocol", 2, func() error {
				if last == services[0] {
					return nil // it calls that already
				}
				return d.AddCall(last, "fresh", "http")
			}},
			{"another", 0, func() error { return d.AddService("door", "command: z\nlisten: {http: auto}\n") }},
			{"optional call", 8, func() error { return d.AddOptionalCall(last, "door", "") }},
			{"use of the fresh", 1, func() error { return d.AddUse("fresh", "r") }},
		} {
			before := string(d.Bytes())
			if err := e.do(); err != nil {
				rt.Fatalf("add %s: %v\n%s", e.what, err, before)
			}
			after := string(d.Bytes())
			if lost := lostLines(before, after); len(lost) > e.lost {
				rt.Fatalf("add %s: lost %q\n%s\nbecame\n%s", e.what, lost, before, after)
			}
			if strings.Contains(text, "\r\n") != strings.Contains(after, "\r\n") || strings.Contains(text, "\r\n") && strings.Count(after, "\n") != strings.Count(after, "\r\n") {
				rt.Fatalf("add %s: mixed line ends\n%q", e.what, after)
			}
			if ended([]byte(before)) != ended([]byte(after)) {
				rt.Fatalf("add %s: the end of the last line changed\n%q", e.what, after)
			}
		}
		removeAgain(rt, d, text)
	})
}

// removeAgain takes the fresh service away: all lines that had nothing to do with it are as before.
func removeAgain(rt *rapid.T, d *Document, text string) {
	for {
		all := d.Mentions("fresh")
		if len(all) == 0 {
			break
		}
		if err := d.RemoveMention(all[0]); err != nil {
			rt.Fatalf("remove %s: %v\n%s", all[0].What, err, d.Bytes())
		}
	}
	before := string(d.Bytes())
	if err := d.RemoveService("fresh"); err != nil {
		rt.Fatalf("remove service: %v\n%s", err, d.Bytes())
	}
	if lost := lostLines(before, string(d.Bytes())); len(lost) > 9 {
		rt.Fatalf("remove service: lost %q of\n%s", lost, before)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") && !strings.Contains(string(d.Bytes()), strings.TrimRight(line, "\r\n")) {
			rt.Fatalf("remove service: lost the remark %q\n%s", line, d.Bytes())
		}
	}
}

// lostLines returns the lines of before that are not in after, in order. The end of the last line does not
// count.
func lostLines(before, after string) []string {
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range old {
		old[i] = strings.TrimSuffix(old[i], "\r")
	}
	for i := range now {
		now[i] = strings.TrimSuffix(now[i], "\r")
	}
	best := make([][]int, len(old)+1) // longest common part from i and j on
	for i := range best {
		best[i] = make([]int, len(now)+1)
	}
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(now) - 1; j >= 0; j-- {
			best[i][j] = max(best[i+1][j], best[i][j+1])
			if old[i] == now[j] {
				best[i][j] = best[i+1][j+1] + 1
			}
		}
	}
	var lost []string
	for i, j := 0, 0; i < len(old); {
		switch {
		case j < len(now) && old[i] == now[j]:
			i, j = i+1, j+1
		case j < len(now) && best[i][j+1] >= best[i+1][j]:
			j++
		default:
			lost, i = append(lost, fmt.Sprintf("%d: %s", i+1, old[i])), i+1
		}
	}
	return lost
}
