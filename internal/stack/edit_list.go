package stack

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// appendItem returns the changes that put one more item at the end of a list or mapping: "users", or
// "users: grpc".
func (d *Document) appendItem(y *yaml.Node, item string) []change {
	switch {
	case flow(y) || len(y.Content) == 0:
		return d.appendFlow(y, item)
	case y.Kind == yaml.SequenceNode:
		last := y.Content[len(y.Content)-1]
		if dash := d.dash(last); dash >= 0 {
			indent := strings.Repeat(" ", dash-d.lines[d.lineOf(dash)])
			gap := string(d.text[dash+1 : d.start(last)])
			return []change{d.insertLines(d.lineOf(d.end(y)), []string{indent + "-" + gap + item})}
		}
		return nil
	}
	return []change{d.insertLines(d.lineOf(d.end(y)), []string{strings.Repeat(" ", y.Content[0].Column-1) + item})}
}

// dash returns where the dash of an item of a list stands, or -1 where it is not before it on its line.
func (d *Document) dash(item *yaml.Node) int {
	for at := d.start(item) - 1; at >= 0; at-- {
		switch d.text[at] {
		case ' ':
		case '-':
			return at
		default:
			return -1
		}
	}
	return -1
}

// appendFlow is appendItem in brackets. Where each item has a line of its own the new one gets one too.
func (d *Document) appendFlow(y *yaml.Node, item string) []change {
	begin, end := d.content(y), d.end(y)-1
	if len(y.Content) == 0 {
		if strings.TrimSpace(string(d.text[begin+1:end])) == "" {
			return []change{{begin + 1, end, item}}
		}
		return []change{{begin + 1, begin + 1, item}} // a comment stands in it
	}
	last := y.Content[len(y.Content)-1]
	behind := d.skipSpace(d.end(last))
	comma := behind < end && d.text[behind] == ','
	closes := d.lineOf(d.end(last)) == d.lineOf(end) // the bracket, behind the last item
	if own, indent := d.ownLine(y, begin); own && !closes {
		return d.appendFlowLine(last, item, indent, comma, behind)
	} else if own && !comma {
		at := d.end(last)
		return []change{{at, at, "," + d.eol() + indent + item}}
	}
	at := len(strings.TrimRight(string(d.text[:end]), " "))
	switch {
	case !closes:
		if at = d.end(last); comma {
			return []change{{behind + 1, behind + 1, " " + item + ","}}
		}
	case comma:
		return []change{{at, at, " " + item + ","}}
	case d.text[at-1] == ':': // the last key has nothing behind it
		return []change{{at, min(at+1, end), " , " + item}}
	}
	return []change{{at, at, d.comma(y) + item}}
}

// comma is how the items of a list in brackets are parted.
func (d *Document) comma(y *yaml.Node) string {
	per := 1
	if y.Kind == yaml.MappingNode {
		per = 2
	}
	if len(y.Content) > per {
		first := d.end(y.Content[per-1])
		if first+1 < len(d.text) && d.text[first] == ',' && d.text[first+1] != ' ' && d.text[first+1] != '\n' {
			return ","
		}
	}
	return ", "
}

// ownLine reports that the last item of a list in brackets begins a line, and its indent.
func (d *Document) ownLine(y *yaml.Node, begin int) (bool, string) {
	first := y.Content[len(y.Content)-1]
	previous := begin
	if y.Kind == yaml.MappingNode {
		first = y.Content[len(y.Content)-2]
	}
	at := d.start(first)
	head := string(d.text[d.lines[d.lineOf(at)]:at])
	if len(y.Content) > 2 {
		previous = d.start(y.Content[len(y.Content)-3])
	} else if len(y.Content) == 2 {
		previous = d.start(y.Content[0])
	}
	if y.Kind == yaml.MappingNode && len(y.Content) == 2 {
		previous = begin
	}
	return strings.TrimSpace(head) == "" && d.lineOf(previous) != d.lineOf(at), head
}

func (d *Document) appendFlowLine(last *yaml.Node, item, indent string, comma bool, behind int) []change {
	end := d.end(last)
	if comma {
		return []change{d.insertLines(d.lineOf(behind), []string{indent + item + ","})}
	}
	return []change{{end, end, ","}, d.insertLines(d.lineOf(end), []string{indent + item})}
}

// fill returns the change that gives a key without a value one.
func (d *Document) fill(k, v *yaml.Node, text string) []change {
	if v.Value != "" { // ~ or null
		return []change{{d.start(v), d.end(v), text}}
	}
	colon := d.skipSpace(d.end(k))
	if colon >= len(d.text) || d.text[colon] != ':' {
		return nil
	}
	if at := colon + 1; at < len(d.text) && d.text[at] == ' ' {
		return []change{{at + 1, at + 1, text + padAgain(d.text[at+1:])}}
	}
	return []change{{colon + 1, colon + 1, " " + text}}
}

// padAgain is the space that a comment behind needs.
func padAgain(rest []byte) string {
	if len(rest) > 0 && rest[0] == '#' {
		return " "
	}
	return ""
}

// keyed returns the changes that turn a list of names into a mapping: each name becomes a key with what
// value says behind it. k is the key before the list, more one more entry, or "".
func (d *Document) keyed(k, y *yaml.Node, value func(name string) string, more string) []change {
	if flow(y) {
		begin, end := d.content(y), d.end(y)
		out := []change{{begin, begin + 1, "{"}}
		for _, item := range y.Content {
			at := d.end(item)
			out = append(out, change{at, at, ": " + value(item.Value)})
		}
		if more != "" {
			out = append(out, d.appendFlow(y, more)...) // behind the value, where both are in one place
		}
		return append(out, change{end - 1, end, "}"})
	}
	var out []change
	indent := ""
	for _, item := range y.Content {
		dash, at := d.dash(item), d.end(item)
		if dash < 0 {
			return nil
		}
		column := dash - d.lines[d.lineOf(dash)]
		lead := ""
		if column == k.Column-1 { // a list may stand below its key, a mapping must not
			lead = strings.Repeat(" ", d.step())
		}
		indent = strings.Repeat(" ", column) + lead
		out = append(out, change{dash, d.start(item), lead}, change{at, at, strings.TrimRight(": "+value(item.Value), " ")})
	}
	if more != "" {
		out = append(out, d.insertLines(d.lineOf(d.end(y)), []string{indent + more}))
	}
	return out
}

// addKey returns the changes that give a service one more key, behind the last of the keys that stand
// before it in a usual file.
func (d *Document) addKey(service *yaml.Node, key, value string, behind []string) []change {
	item := strings.Replace(key+": "+value, ": \n", ":\n", 1)
	if flow(service) || !block(service) {
		return d.appendFlow(service, item)
	}
	var last *yaml.Node
	for _, name := range behind {
		if _, v := child(service, name); v != nil && (last == nil || v.Line > last.Line || v.Line == last.Line && v.Column > last.Column) {
			last = v
		}
	}
	if last == nil {
		last = service.Content[len(service.Content)-1]
	}
	indent := strings.Repeat(" ", service.Content[0].Column-1)
	lines := strings.Split(item, "\n")
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	return []change{d.insertLines(d.lineOf(d.end(last)), lines)}
}
