package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// prompt is the line at the foot into which the user types.
type prompt struct {
	kind     string // what its history is kept under
	sign     string // what stands before it
	input    edit
	complete func(text string, at int) (from int, options []string) // at and from are bytes; nil: nothing to complete
	change   func(m *model, text string) tea.Cmd                    // at every key; nil: only at the end
	accept   func(m *model, text string) (tea.Cmd, error)           // an error leaves the prompt open
	drop     func(m *model) tea.Cmd                                 // Esc
	mistake  string
	offered  bool // the text is only offered: the first character that is typed replaces it
	recalled int  // how far back in the history; 0: what is typed
	typed    string
}

// maxPast is how many lines a history keeps.
const maxPast = 100

// openPrompt shows a prompt that offers a text: Enter takes it, what is typed replaces it, and keys that move or delete
// edit it.
func (m *model) openPrompt(p *prompt, text string) tea.Cmd {
	p.input.set(text)
	p.offered = text != ""
	m.prompt = p
	return nil
}

// key gives a key to the prompt.
func (p *prompt) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc", "ctrl+c":
		m.prompt = nil
		if p.drop != nil {
			return p.drop(m)
		}
		return nil
	case "enter":
		return p.enter(m)
	case "up", "ctrl+p":
		return p.recall(m, 1)
	case "down", "ctrl+n":
		return p.recall(m, -1)
	case "tab":
		return p.fill(m)
	case "backspace":
		if p.input.String() == "" {
			m.prompt = nil
			return nil
		}
	}
	return p.update(m, k)
}

// update edits the text.
func (p *prompt) update(m *model, msg tea.Msg) tea.Cmd {
	before := p.input.String()
	if p.offered && replaces(msg) {
		p.input.set("")
	}
	p.offered = false
	p.input.update(msg)
	if p.input.String() == before {
		return nil
	}
	p.recalled = 0
	return p.changed(m)
}

// replaces reports what is typed instead of a text that is offered. A space goes on behind it, as nothing begins with one.
func replaces(msg tea.Msg) bool {
	switch msg := msg.(type) {
	case tea.PasteMsg:
		return strings.TrimSpace(msg.Content) != ""
	case tea.KeyPressMsg:
		return strings.TrimSpace(msg.Text) != ""
	}
	return false
}

func (p *prompt) changed(m *model) tea.Cmd {
	p.mistake, p.offered = "", false
	if p.change == nil {
		return nil
	}
	return p.change(m, p.input.String())
}

// enter accepts the text and remembers it.
func (p *prompt) enter(m *model) tea.Cmd {
	text := strings.TrimSpace(p.input.String())
	cmd, err := p.accept(m, text)
	if err != nil {
		p.mistake, p.offered = why(err), false
		return nil
	}
	if m.prompt == p {
		m.prompt = nil
	}
	if text != "" {
		past := slices.DeleteFunc(m.past[p.kind], func(s string) bool { return s == text })
		past = append(past, text)
		m.past[p.kind] = past[max(0, len(past)-maxPast):]
	}
	return cmd
}

// recall goes back in the history by that many, or forward.
func (p *prompt) recall(m *model, by int) tea.Cmd {
	past := m.past[p.kind]
	if p.recalled == 0 {
		p.typed = p.input.String()
	}
	to := clamp(p.recalled+by, 0, len(past))
	if to == p.recalled {
		return nil
	}
	p.recalled = to
	text := p.typed
	if to > 0 {
		text = past[len(past)-to]
	}
	p.input.set(text)
	return p.changed(m)
}

// options is what the word at the cursor could become, and where that word begins.
func (p *prompt) options() (from, at int, options []string) {
	if p.complete == nil {
		return 0, 0, nil
	}
	at = len(p.input.before())
	from, options = p.complete(p.input.String(), at)
	return from, at, options
}

// fill completes the word at the cursor as far as it is certain.
func (p *prompt) fill(m *model) tea.Cmd {
	from, at, options := p.options()
	if len(options) == 0 {
		return nil
	}
	word := options[0]
	for _, o := range options[1:] {
		for !strings.HasPrefix(o, word) {
			word = word[:len(word)-1]
		}
	}
	text := p.input.String()
	if word == text[from:at] && len(options) > 1 {
		word = options[0]
	}
	p.input.set(text[:from] + word)
	p.input.text = append(p.input.text, []rune(text[at:])...)
	return p.changed(m)
}

// draw returns the prompt's rows, the input last, and where the cursor stands.
func (p *prompt) draw(m *model, w int) ([]string, *tea.Cursor) {
	var rows []string
	if p.mistake != "" {
		rows = m.told(bad, "✗ "+p.mistake, w)
	} else if _, _, options := p.options(); len(options) > 0 {
		rows = append(rows, m.theme.paint(faint, cut("   "+plainText(strings.Join(options, "  ")), w)))
	}
	room := max(1, w-width(p.sign)-3)
	shown := plainText(p.input.String())
	at := width(plainText(p.input.before()))
	if at > room {
		shown, at = tail(shown, at-room), room
	}
	shown = cut(shown, room+1)
	if p.offered {
		shown = offer(m.theme, shown, room)
	}
	rows = append(rows, " "+m.theme.paint(accent, p.sign)+" "+shown)
	c := tea.NewCursor(min(w-1, width(p.sign)+2+at), 0)
	c.Blink = false
	return rows, c
}

// offer shows a text as offered, and beside it, where there is room, what the keys do with it.
func offer(t *theme, text string, room int) string {
	for _, how := range []string{"Enter takes it, typing replaces it, → edits it", "typing replaces it, → edits it"} {
		if width(text)+3+width(how) <= room {
			return t.paint(chosen, text) + t.paint(faint, "   "+how)
		}
	}
	return t.paint(chosen, text)
}

// tail leaves out the first w columns of text.
func tail(text string, w int) string {
	for i := range text {
		if width(text[:i]) >= w {
			return text[i:]
		}
	}
	return ""
}

// askFilter lets the user filter the visible screen, at every key.
func (m *model) askFilter() tea.Cmd {
	f, ok := m.visible().(filterer)
	if !ok {
		m.complain("there is nothing to filter here")
		return nil
	}
	before := f.filterText()
	set := func(m *model, text string) (tea.Cmd, error) {
		cmd, err := f.setFilter(m, text)
		return cmd, err
	}
	return m.openPrompt(&prompt{
		kind: "filter", sign: "/", complete: m.completeFilter, accept: set,
		drop: func(m *model) tea.Cmd {
			cmd, _ := set(m, before)
			return cmd
		},
	}, before)
}
