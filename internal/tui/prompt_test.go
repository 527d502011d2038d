package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// TestOffered has what a prompt is opened with replaced by the first character that is typed, taken by Enter, and edited
// by keys that move or delete, or by a space.
func TestOffered(t *testing.T) {
	for _, c := range []struct {
		keys []string
		did  string
	}{
		{[]string{"text:latency=300ms for=30s", "enter"}, "fault gateway:orders latency delay=300ms for 30s"},
		{[]string{"enter"}, "fault gateway:orders latency delay=300ms for 0s"},
		{[]string{"text: for=30s", "enter"}, "fault gateway:orders latency delay=300ms for 30s"},
		{[]string{"right", "text:,jitter=50ms", "enter"}, "fault gateway:orders latency delay=300ms,jitter=50ms for 0s"},
		{[]string{"end", "text:,jitter=50ms", "enter"}, "fault gateway:orders latency delay=300ms,jitter=50ms for 0s"},
		{[]string{"backspace", "backspace", "text:s", "enter"}, "fault gateway:orders latency delay=300s for 0s"},
		{[]string{"tab", "text: for=30s", "enter"}, "fault gateway:orders latency delay=300ms for 30s"},
	} {
		f := calm()
		s := newStage(t, f, 80, 24)
		s.press("4", "j", "f")
		s.shows(" ⚡ gateway:orders latency=300ms   typing replaces it, → edits it")
		s.press(c.keys...)
		if got := strings.Join(f.did, "; "); got != c.did {
			t.Errorf("%q asked for %q, want %q", c.keys, got, c.did)
		}
	}
}

// TestOfferedFilter has the filter before replaced by what is typed or pasted, and says so while it can be.
func TestOfferedFilter(t *testing.T) {
	s := newStage(t, calm(), 80, 24)
	s.press("/", "text:service=push", "enter", "/")
	s.shows(" / service=push   Enter takes it, typing replaces it, → edits it")
	s.press("text:service=orders", "enter")
	s.shows("/service=orders", "▌ orders")
	s.press("/")
	s.send(tea.PasteMsg{Content: "service=payments"})
	s.shows(" / service=payments\n")
	s.press("enter")
	s.shows("/service=payments", "▌ payments")
	s.press("/", "text: name=x", "enter")
	s.shows("nothing matches service=payments name=x")
	s.press("/", "text:name~(", "enter")
	s.shows("column", " / name~(\n")
	s.press("esc")
	s.shows("nothing matches service=payments name=x")
	s.press("/", "up", "up")
	if strings.Contains(s.screen(), "typing replaces") {
		t.Errorf("what was called back from the history is still replaced:\n%s", s.screen())
	}
}
