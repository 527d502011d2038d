package tui

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"msctl.dev/msctl/internal/state"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC
	goleak.VerifyTestMain(m)
}

// stage is a dashboard without a terminal: messages in, rows out. What it begins in the background ends
// before the next message; seconds pass only when said.
type stage struct {
	t testing.TB
	f *fake
	m *model
}

func newStage(t testing.TB, f *fake, w, h int) *stage {
	t.Helper()
	m := newModel(t.Context(), f, newFeed(f, noon), Options{})
	m.later = func(time.Duration, tea.Msg) tea.Cmd { return nil }
	m.now = func() time.Time { return noon.Add(time.Minute) }
	s := &stage{t, f, m}
	s.run(m.Init())
	s.send(tea.WindowSizeMsg{Width: w, Height: h})
	m.feed.take(func(n *news) { n.snap = f.snap })
	for unit, lines := range f.lines {
		m.feed.addLines(unit, lines)
	}
	m.feed.take(func(n *news) {
		for i, u := range f.snap.Units {
			n.events = append(n.events, state.Event{Seq: uint64(i + 1), Time: noon.Add(time.Duration(i) * 300 * ms), Kind: state.KindPhase,
				Text: u.Name + " is " + string(u.Phase), Unit: &u})
		}
	})
	s.send(pulsed{})
	s.second()
	return s
}

// send gives a message to the model, and back what it began.
func (s *stage) send(msg tea.Msg) {
	s.t.Helper()
	_, cmd := s.m.Update(msg)
	s.run(cmd)
	s.m.View()
	if s.m.crash != nil {
		s.t.Fatalf("crashed: %v\n%s", s.m.crash.Value, s.m.crash.Stack)
	}
}

func (s *stage) run(cmd tea.Cmd) {
	s.t.Helper()
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			s.run(c)
		}
	case answered:
		s.send(msg)
	case tea.QuitMsg:
		s.m.notice = "(quit)"
	}
}

// second lets one pass.
func (s *stage) second() { s.send(ticked{}) }

// press presses keys: "j", "enter", "ctrl+d"; "text:…" types.
func (s *stage) press(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		if text, ok := strings.CutPrefix(k, "text:"); ok {
			for _, r := range text {
				s.send(tea.KeyPressMsg{Code: r, Text: string(r)})
			}
			continue
		}
		s.send(keyOf(k))
	}
}

func keyOf(name string) tea.KeyPressMsg {
	special := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"backspace": tea.KeyBackspace, "left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd}
	if r, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(r[0]), Mod: tea.ModCtrl}
	}
	if name == "space" {
		return tea.KeyPressMsg{Code: tea.KeySpace, Text: " "}
	}
	if r, ok := special[name]; ok {
		return tea.KeyPressMsg{Code: r}
	}
	r := []rune(name)[0]
	return tea.KeyPressMsg{Code: r, Text: name}
}

// screen is the rows as a person sees them, without colours. Every row must fit.
func (s *stage) screen() string {
	s.t.Helper()
	s.m.dirty = true
	v := s.m.View()
	if s.m.crash != nil {
		s.t.Fatalf("crashed: %v\n%s", s.m.crash.Value, s.m.crash.Stack)
	}
	rows := strings.Split(v.Content, "\n")
	if len(rows) != max(1, s.m.h) {
		s.t.Errorf("%d rows on a screen of %d", len(rows), s.m.h)
	}
	for i, r := range rows {
		if ansi.StringWidth(r) > max(1, s.m.w) {
			s.t.Errorf("row %d has %d columns of %d: %q", i, ansi.StringWidth(r), s.m.w, r)
		}
		rows[i] = strings.TrimRight(ansi.Strip(r), " ")
	}
	return strings.Join(rows, "\n") + "\n"
}

// golden compares the screen with testdata/NAME.txt.
func (s *stage) golden(name string) {
	s.t.Helper()
	got := s.screen()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// shows reports screens that lack a text.
func (s *stage) shows(texts ...string) {
	s.t.Helper()
	got := s.screen()
	for _, want := range texts {
		if !strings.Contains(got, want) {
			s.t.Errorf("%q is not on the screen:\n%s", want, got)
		}
	}
}
