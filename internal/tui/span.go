package tui

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/telemetry"
)

// spanRows is all about one span, w columns wide.
func (m *model) spanRows(r telemetry.Row, w int) []string {
	t := m.theme
	rows := []string{cut(t.paint(strong, plainText(r.Service))+"  "+plainText(r.Name), w)}
	add := func(name, value string) { rows = append(rows, m.pair(name, value, leadWidth, w)...) }
	add("took", took(r.Duration)+", itself "+took(r.Self))
	if r.Critical > 0 {
		add("critical", took(r.Critical)+" of the critical path")
	}
	add("started", clockMilli(r.Start))
	add("kind", kindName(r.Kind))
	if r.Status == telemetry.Failed {
		rows = append(rows, t.paint(bad, "failed      ")+" "+cut(plainText(r.Message), max(1, w-13)))
	}
	if r.Instance != "" && r.Instance != r.Service {
		add("unit", plainText(r.Instance))
	}
	if r.Edge != "" {
		add("edge", plainText(r.Edge)+", seen by msctl")
	}
	if r.Orphan {
		add("parent", r.Parent.String()+", not known")
	}
	if r.Guessed {
		add("parent", "guessed: nobody said what it was for, and its service worked on nothing else")
	}
	rows = append(rows, m.attrRows("attributes", r.Attrs, w)...)
	for _, e := range r.Events {
		rows = append(rows, "", cut(t.paint(strong, plainText(e.Name))+t.paint(faint, "  after "+took(e.Time.Sub(r.Start))), w))
		rows = append(rows, m.attrRows("", e.Attrs, w)...)
	}
	for _, l := range r.Links {
		add("link", l.Trace.String())
	}
	return append(rows, m.attrRows("resource", r.Resource, w)...)
}

// pair is a name and its value, broken over rows; lead is the width of the names.
func (m *model) pair(name, value string, lead, w int) []string {
	if width(name) > lead {
		return []string{m.theme.paint(accent, name), "  " + cut(value, w-2)}
	}
	var rows []string
	for i, part := range wrap(value, max(8, w-lead-1)) {
		if i > 0 {
			name = ""
		}
		rows = append(rows, m.theme.paint(accent, fit(name, lead))+" "+part)
	}
	return rows
}

func (m *model) attrRows(head string, attrs []telemetry.Attr, w int) []string {
	if len(attrs) == 0 {
		return nil
	}
	var rows []string
	if head != "" {
		rows = append(rows, "", m.theme.paint(strong, head))
	}
	lead := leadWidth
	for _, a := range attrs {
		lead = max(lead, min(width(plainText(a.Key)), w*2/5))
	}
	for _, a := range attrs {
		rows = append(rows, m.pair(plainText(a.Key), plainText(attrText(a.Value)), lead, w)...)
	}
	return rows
}

// leadWidth is the least width of names before their values.
const leadWidth = 12

// attrText shows a value of OTLP. It is not clean.
func attrText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return hex.EncodeToString(v)
	case []telemetry.Attr:
		var parts []string
		for _, a := range v {
			parts = append(parts, a.Key+"="+attrText(a.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func kindName(k telemetry.Kind) string {
	names := [...]string{"", "internal", "server", "client", "producer", "consumer"}
	if int(k) < len(names) {
		return names[k]
	}
	return ""
}
