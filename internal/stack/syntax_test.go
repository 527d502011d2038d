package stack

import (
	"strings"
	"testing"
)

// TestSyntaxPlaces shows the place and the hint of what people write that is not YAML.
func TestSyntaxPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		after string // `version: 1`
		place string
		hint  string
	}{
		"tab":               {"services:\n  web:\n    command: x\n\tlisten: {http: auto}\n", "5:1", "indent with spaces"},
		"tab after spaces":  {"services:\n  web:\n  \tcommand: x\n", "4:3", "indent with spaces"},
		"between levels":    {"services:\n  web:\n    command: x\n   listen: {http: auto}\n", "5:4", "it is indented by 3 spaces, and the lines above it by 0, 2, 4"},
		"outside a level":   {"services:\n  web:\n    command: x\n listen: {http: auto}\n", "5:2", "it is indented by 1 spaces"},
		"too deep":          {"services:\n  web:\n    command: x\n\n      listen: {http: auto}\n", "6:7", "it is indented deeper than line 4"},
		"list item":         {"services:\n  web:\n    env:\n      - a\n     - b\n", "6:6", "it is indented by 5 spaces"},
		"item among keys":   {"services:\n  web:\n    command: x\n    - b\n", "5:5", "line 4 is a key"},
		"key among items":   {"services:\n  web:\n    calls:\n    - b\n    - c\n    d\n    e: f\n", "7:5", ""},
		"no colon":          {"services:\n  web\n    command: x\n", "3:3", "a colon is missing: write `web:`"},
		"no colon at last":  {"services:\n  web:\n    command: x\n    listen\n  b: {command: z}\n", "5:5", "a colon is missing: write `listen:`"},
		"two colons":        {"services:\n  web:\n    command: a: b\n", "4:15", "put a value with a colon in quotes"},
		"open bracket":      {"services:\n  web:\n    command: [x, y\n    listen: {http: auto}\n  b: {command: z}\n", "4:14", "[ begins here"},
		"open brace at end": {"services:\n  web: {command: x\n", "3:8", "{ begins here"},
		"open quote":        {"services:\n  web:\n    command: \"x y\n    listen: {http: auto}\n", "4:14", "the quote that begins here"},
		"at sign":           {"services:\n  web:\n    env: {A: @x}\n", "4:14", "put what begins with @ in quotes"},
	} {
		err := mistakes(t, "version: 1\n"+c.after)
		if !strings.HasPrefix(err, "stack.yaml:"+c.place+": not valid YAML: ") || !strings.Contains(err, c.hint) {
			t.Errorf("%s: got %swant stack.yaml:%s and the hint %q", name, err, c.place, c.hint)
		}
	}
}
