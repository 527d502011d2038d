package tui

import (
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// hostile is what would drive a terminal, break its lines or its widths.
var hostile = []string{
	"\x1b]0;owned\x07title", "\x1b]52;c;b3duZWQ=\x07clipboard", "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
	"\x1b[2Jwiped", "\x1b[10;10Hmoved", "\x1b[?1049lleft", "\x1bc reset", "\x1bP+q544e\x1b\\dcs", "\x1b_apc\x1b\\", "\x9b2J c1", "\u009b2J c1 in utf-8",
	"nul\x00nul", "back\b\b\b\bspace", "bell\a", "carriage\rreturn", "new\nline", "tab\tbed", "\xff\xfe invalid", "\u202eevil\u202c bidi", "\u2066isolate\u2069",
	"a\u0301\u0302\u0303\u0304 combining", strings.Repeat("\u0301", 200), "日本語テキスト", "👩‍👩‍👧‍👦 family", "🇩🇪🇫🇷", "\u200b\u200d\ufeff zero width", "\u2028\u2029 separators",
	"\x1b[31mred \x1b[7mreverse never ended", "\x1b[38;5;1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16m", strings.Repeat("\x1b[31m", 3000), strings.Repeat("w", 70000),
	`{"msg":"\u001b[2Jinside","level":"\u001b]0;x\u0007","trace":"\u001b[31m"}`, `{"msg":{"a":[1,2]},"message":null}`, `{"level":7,"msg":true}`, "{", `key="unfinished`, "\x1b[", "\x1b",
}

// TestHostile is promise D2: nothing that comes from a service drives the terminal, wherever it is shown,
// at any size. What is drawn holds colours and printable text only.
func TestHostile(t *testing.T) {
	f := shop()
	for i, text := range hostile {
		f.lines["gateway"] = append(f.lines["gateway"], output.Line{Seq: uint64(100 + i), At: noon.Add(time.Duration(20+i) * time.Second), Stream: output.Stdout, Text: []byte(text), Cut: i % 2 * 99})
	}
	bad := strings.Join(hostile[:25], "")
	f.snap.Stack = bad[:40]
	for i := range f.snap.Units {
		u := &f.snap.Units[i]
		u.Reason, u.URL, u.Backing, u.LastLines = hostile[i]+bad, hostile[i+3], hostile[i+5], hostile
		u.Ports = []state.Port{{Name: hostile[i], Addr: hostile[i+1]}}
	}
	for i := range f.edges {
		f.edges[i].Addr, f.edges[i].Direct, f.edges[i].Targets = hostile[i], hostile[i+2], []state.EdgeTarget{{Unit: hostile[i+6], Addr: bad, Ejected: true}}
		f.edges[i].Mesh = i%2 == 0
		f.edges[i].Faults, f.edges[i].Protocol = []string{hostile[i]}, hostile[i+4]
	}
	for i := range f.traces {
		f.traces[i].Name, f.traces[i].Service, f.traces[i].Services = hostile[i], hostile[i+1], hostile[:9]
		for j := range f.traces[i].Rows {
			r := &f.traces[i].Rows[j]
			text := hostile[j%len(hostile)]
			r.Name, r.Service, r.Message, r.Edge = text, text, bad, "a:"+text
			r.Attrs = []telemetry.Attr{{Key: text, Value: bad}, {Key: "list", Value: []any{text, int64(1)}}, {Key: "bytes", Value: []byte(text)}}
			r.Events = []telemetry.SpanEvent{{Name: text, Attrs: r.Attrs}}
		}
	}
	for i := range f.found {
		text := hostile[i]
		f.found[i] = telemetry.Finding{Kind: text, Subject: hostile[i+3], Text: bad, Hint: bad, Count: 2, Traces: []string{text, text}}
	}
	for i := range f.pacts.Edges {
		c := &f.pacts.Edges[i]
		c.Consumer, c.Provider, c.Why = hostile[i], hostile[i+7], bad
		c.Agreements = []Agreement{{Title: bad, Kind: hostile[i], State: ContractState(i % 5), Said: hostile}}
	}
	drawn := 0
	for _, size := range [][2]int{{80, 24}, {200, 50}, {20, 5}, {7, 3}, {1, 1}} {
		s := newStage(t, f, size[0], size[1])
		s.m.feed.take(func(n *news) {
			for i, text := range hostile {
				n.events = append(n.events, state.Event{Seq: uint64(900 + i), Kind: state.Kind(text), Text: text})
			}
		})
		s.send(pulsed{})
		for _, keys := range [][]string{
			nil, {"j", "enter", "G"}, {"esc", "2"}, {"k", "w"}, {"k", "k", "enter", "esc"}, {"/", "text:wiped", "enter", "esc"}, {"n", "text:e", "enter"},
			{"3"}, {"enter"}, {"j", "enter", "G", "esc"}, {"L", "esc", "y"}, {"4"}, {"j"}, {"A"}, {"enter", "esc"}, {"i", "G"}, {"esc"}, {"5", "k"}, {"6", "n"}, {"l", "enter"}, {"esc"}, {"?", "G", "esc"}, {":", "text:re"}, {"esc"},
		} {
			s.press(keys...)
			steps := 1
			if s.m.tab == 1 {
				steps = len(hostile)
			}
			for range steps {
				s.screen()
				harmless(t, s.m.frame.Content)
				drawn++
				s.press("k")
			}
		}
	}
	t.Logf("D2: %d frames of %d hostile texts, 0 escapes through", drawn, len(hostile))
}

// harmless fails t where a frame holds anything but colours, newlines and what can be printed.
func harmless(t *testing.T, frame string) {
	t.Helper()
	rest := frame
	for i := strings.IndexByte(rest, 0x1b); i >= 0; i = strings.IndexByte(rest, 0x1b) {
		end := strings.IndexFunc(rest[i+1:], func(r rune) bool { return r != '[' && r != ';' && r != ':' && (r < '0' || r > '9') })
		if end < 0 || rest[i+1+end] != 'm' {
			t.Fatalf("an escape gets through: %.60q", rest[i:])
		}
		rest = rest[:i] + rest[i+end+2:]
	}
	for _, r := range rest {
		if r != '\n' && unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			t.Fatalf("%U gets through", r)
		}
	}
}

// TestResizeStorm is the pure half of promise D8: any size, at any moment, in any view.
func TestResizeStorm(t *testing.T) {
	s := newStage(t, shop(), 80, 24)
	for i, keys := range [][]string{{"1"}, {"enter"}, {"2"}, {"w"}, {"3"}, {"enter"}, {"L"}, {"4"}, {"5"}, {"?"}, {"esc", ":"}, {"esc", "/"}} {
		s.press(keys...)
		for n := range 200 {
			w, h := 1+(n*37+i*11)%220, 1+(n*13+i*7)%60
			s.send(tea.WindowSizeMsg{Width: w, Height: h})
			s.screen()
		}
		s.send(tea.WindowSizeMsg{Width: 20, Height: 5})
		s.screen()
	}
	s.send(tea.WindowSizeMsg{Width: 0, Height: 0})
	s.screen()
}

func FuzzKeys(f *testing.F) {
	f.Add("12345jkgG?q/:n\x1b")
	f.Fuzz(func(t *testing.T, keys string) {
		if len(keys) > 64 {
			return
		}
		s := newStage(t, shop(), 60, 16)
		for _, r := range keys {
			k := tea.KeyPressMsg{Code: r, Text: string(r)}
			switch {
			case r == 0x1b:
				k = tea.KeyPressMsg{Code: tea.KeyEscape}
			case r == '\r':
				k = tea.KeyPressMsg{Code: tea.KeyEnter}
			case r < ' ':
				k = tea.KeyPressMsg{Code: 'a' + r - 1, Mod: tea.ModCtrl}
			}
			s.send(k)
		}
		s.screen()
	})
}

// TestWidths holds the measure of text: cutting never leaves more columns than there are.
func TestWidths(t *testing.T) {
	for _, text := range hostile {
		for w := range 30 {
			row := fit(clean([]byte(text)), w)
			if got := ansi.StringWidth(row); got != w && w > 0 {
				t.Errorf("%.30q fitted to %d has %d columns", text, w, got)
			}
		}
	}
}
