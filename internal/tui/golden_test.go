package tui

import (
	"fmt"
	"testing"
)

// TestScreens holds every view, and what is opened from it, at the size of a plain terminal and of a
// large one; those that use any width at a very wide one too.
func TestScreens(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []string
	}{
		{"services", nil},
		{"services-unit", []string{"j", "j", "j", "enter"}},
		{"logs", []string{"2"}},
		{"logs-filter", []string{"2", "/", "text:level=error", "enter"}},
		{"logs-whole", []string{"2", "g", "j", "w"}},
		{"traces", []string{"3"}},
		{"traces-waterfall", []string{"3", "enter"}},
		{"traces-attributes", []string{"3", "enter", "e", "enter"}},
		{"traces-critical", []string{"3", "G", "enter", "c"}},
		{"traces-logs", []string{"3", "enter", "L"}},
		{"traces-why", []string{"3", "w"}},
		{"advise", []string{"4", "A"}},
		{"map", []string{"4"}},
		{"events", []string{"5"}},
		{"contracts", []string{"6"}},
		{"contracts-broken", []string{"6", "n", "n", "n", "n", "n", "enter"}},
		{"fleet", []string{"i"}},
		{"help", []string{"?"}},
		{"command", []string{":", "text:re"}},
	} {
		sizes := [][2]int{{80, 24}, {160, 50}}
		switch c.name {
		case "services", "map", "traces-waterfall":
			sizes = append(sizes, [2]int{200, 50})
		}
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]), func(t *testing.T) {
				s := newStage(t, shop(), size[0], size[1])
				s.press(c.keys...)
				s.golden(fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]))
			})
		}
	}
}
