package tui

import (
	"context"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
	"msctl.dev/msctl/internal/telemetry"
)

// model is everything that the dashboard knows. Only the program's loop touches it; what comes from
// outside comes as a message.
type model struct {
	ctx    context.Context
	source Source
	opts   Options
	feed   *feed
	crew   *crew

	theme *theme
	w, h  int
	anew  int                   // how often the terminal may have lost what it showed
	dirty bool                  // something that is seen changed since the last frame
	frame tea.View              // the last one
	show  func(frame)           // paints it
	tell  func(sequence string) // to the terminal

	tabs  []screen // one per row of Views
	tab   int
	trail []screen // opened from the tab, the visible one last

	snap   state.Snapshot
	events []state.Event // the last of them
	book   book
	edges  traffic
	chart  chart
	gone   bool // the fleet ended

	gen    uint64
	asked  map[string]question
	acts   []act
	notice string // at the foot until the next key
	grave  bool   // the notice is about trouble
	prompt *prompt
	choice *choice
	past   map[string][]string // what was typed into prompts, by kind

	outcome Outcome
	crash   *Crash
	halt    func() // ends the program from where no command can be returned

	later func(d time.Duration, msg tea.Msg) tea.Cmd // a message after a while
	now   func() time.Time
}

// maxEvents is how many events are kept to look at.
const maxEvents = 4096

func newModel(ctx context.Context, s Source, f *feed, o Options) *model {
	m := &model{ctx: ctx, source: s, feed: f, opts: o, crew: &crew{}, theme: &dark, w: 80, h: 24, dirty: true,
		asked: map[string]question{}, past: map[string][]string{}}
	for _, v := range Views {
		m.tabs = append(m.tabs, v.New())
	}
	m.later, m.halt, m.now = m.wait, func() {}, time.Now
	m.show, m.tell = func(frame) {}, func(string) {}
	return m
}

// Init implements [tea.Model].
func (m *model) Init() tea.Cmd {
	return tea.Batch(m.shown(), m.nextTick())
}

// Update implements [tea.Model]. A panic in it ends the dashboard in order.
func (m *model) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			cmd = m.die(crashed(r))
		}
	}()
	return m, m.update(msg)
}

func (m *model) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case pulsed:
		return m.pulse(m.feed.fetch())
	case answered:
		return m.answer(msg)
	case ticked:
		return m.ticked()
	case *Crash:
		return m.die(msg)
	}
	m.dirty = true
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
		m.anew++ // also where it is the old size again
	case tea.BackgroundColorMsg:
		if !msg.IsDark() {
			m.theme = &light
		}
	case tea.KeyPressMsg:
		return m.press(msg)
	case tea.PasteMsg:
		if m.prompt != nil {
			return m.prompt.update(m, msg)
		}
	case tea.MouseWheelMsg:
		return m.wheel(msg.Mouse())
	case tea.MouseClickMsg:
		return m.click(msg.Mouse())
	default:
		m.dirty = false
	}
	return nil
}

// die ends the dashboard after a panic.
func (m *model) die(c *Crash) tea.Cmd {
	if m.crash == nil {
		m.crash = c
	}
	return tea.Quit
}

// visible is the screen that is drawn.
func (m *model) visible() screen {
	if n := len(m.trail); n > 0 {
		return m.trail[n-1]
	}
	return m.tabs[m.tab]
}

// open shows a view of the tab line.
func (m *model) open(i int) tea.Cmd {
	m.tab, m.trail = i, nil
	return m.shown()
}

// push opens a screen from the one that is visible; Esc leads back.
func (m *model) push(s screen) tea.Cmd {
	m.trail = append(m.trail, s)
	return m.shown()
}

// shown begins what the visible screen needs.
func (m *model) shown() tea.Cmd {
	m.dirty = true
	var cmds []tea.Cmd
	if o, ok := m.visible().(opener); ok {
		cmds = append(cmds, o.opened(m))
	}
	if w, ok := m.visible().(watcher); ok && !m.gone {
		cmds = append(cmds, w.tick(m))
	}
	return tea.Batch(cmds...)
}

// back leaves what was opened last: the screen's own selection or filter first.
func (m *model) back() tea.Cmd {
	if l, ok := m.visible().(leaver); ok && l.left(m) {
		return nil
	}
	given := ""
	if s, ok := m.visible().(sifted); ok {
		given = s.givenText()
	}
	if f, ok := m.visible().(filterer); ok && f.filterText() != given {
		cmd, _ := f.setFilter(m, given)
		return cmd
	}
	if n := len(m.trail); n > 0 {
		m.trail[n-1] = nil
		m.trail = m.trail[:n-1]
		return m.shown()
	}
	return nil
}

// move changes the chosen row of the visible screen.
func (m *model) move(by func(l *list) int) tea.Cmd {
	mv, ok := m.visible().(mover)
	if !ok {
		return nil
	}
	l := mv.cursor()
	l.move(by(l))
	if s, ok := m.visible().(scroller); ok {
		return s.moved(m)
	}
	return nil
}

func (m *model) wheel(at tea.Mouse) tea.Cmd {
	switch at.Button {
	case tea.MouseWheelUp:
		return m.move(func(*list) int { return -3 })
	case tea.MouseWheelDown:
		return m.move(func(*list) int { return 3 })
	}
	return nil
}

// press gives a key on. A terminal sends Alt with a key as Esc and the key, and so reads Esc followed
// quickly by a key: outside of prompts, where Alt moves by words, it is those two.
func (m *model) press(k tea.KeyPressMsg) tea.Cmd {
	if !k.Mod.Contains(tea.ModAlt) || m.prompt != nil && wordwise(k) {
		return m.key(k)
	}
	first := m.key(tea.KeyPressMsg{Code: tea.KeyEscape})
	k.Mod &^= tea.ModAlt
	if k.Mod&^tea.ModShift == 0 && k.Text == "" && unicode.IsPrint(k.Code) {
		k.Text = string(k.Code)
		if k.ShiftedCode != 0 {
			k.Text = string(k.ShiftedCode)
		}
	}
	return tea.Batch(first, m.key(k))
}

// key gives a key to the prompt, the open question, the screen, or the keys that all share.
func (m *model) key(k tea.KeyPressMsg) tea.Cmd {
	m.notice, m.grave = "", false
	name := k.String()
	if m.choice != nil {
		return m.choose(name)
	}
	if m.prompt != nil {
		return m.prompt.key(m, k)
	}
	for _, b := range m.bindings() {
		for _, want := range b.keys {
			if want == name {
				return b.do(m)
			}
		}
	}
	if len(name) == 1 && name[0] >= '1' && int(name[0]-'1') < len(m.tabs) {
		return m.open(int(name[0] - '1'))
	}
	return nil
}

// bindings is every key that works now, the screen's own first.
func (m *model) bindings() []binding {
	out := m.visible().keys(m)
	if _, ok := m.visible().(mover); ok {
		out = append(out, movement()...)
	}
	return append(out, common()...)
}

// pulse takes in the news. The frame stays where nothing that is seen changed.
func (m *model) pulse(n news) tea.Cmd {
	if n.snap.Seq != m.snap.Seq || m.snap.Time.IsZero() {
		before := m.snap
		m.snap = n.snap
		m.dirty = m.dirty || !sameFleet(before, m.snap)
	}
	m.events = append(m.events, n.events...)
	m.events = m.events[max(0, len(m.events)-maxEvents):]
	m.book.add(n.lines)
	m.book.lost += n.lost
	if n.ended && !m.gone {
		m.gone, m.dirty = true, true
		if m.opts.EndWithFleet {
			return tea.Quit
		}
	}
	if p, ok := m.visible().(pulser); ok && p.pulse(m, n) {
		m.dirty = true
	}
	return nil
}

// say puts a word at the foot.
func (m *model) say(text string) { m.notice, m.grave, m.dirty = text, false, true }

// complain is say about something that went wrong.
func (m *model) complain(text string) { m.notice, m.grave, m.dirty = text, true, true }

// ticked is the second's tick. It runs as long as the fleet does, so that the history of the edges has no
// gaps, and draws nothing by itself.
type ticked struct{}

const tickEvery = time.Second

func (m *model) nextTick() tea.Cmd { return m.later(tickEvery, ticked{}) }

func (m *model) wait(d time.Duration, msg tea.Msg) tea.Cmd {
	return m.background(func() tea.Msg {
		select {
		case <-time.After(d):
			return msg
		case <-m.ctx.Done():
			return nil
		}
	})
}

func (m *model) ticked() tea.Cmd {
	if m.gone {
		return nil
	}
	if _, drawn := m.visible().(edged); m.edges.second() && drawn {
		m.dirty = true
	}
	cmds := []tea.Cmd{m.askEdges(), m.nextTick()}
	if w, ok := m.visible().(watcher); ok {
		cmds = append(cmds, w.tick(m))
	}
	return tea.Batch(cmds...)
}

// page is what telemetry answered last to one question of a screen.
type page[T any] struct {
	rows []T
	info telemetry.Page
	err  string // in words
	have bool   // something was answered
}

// click chooses the row under the mouse, or the view whose name it is on.
func (m *model) click(at tea.Mouse) tea.Cmd {
	if at.Button != tea.MouseLeft || m.prompt != nil || m.choice != nil {
		return nil
	}
	if at.Y == 1 && m.h >= 10 && len(m.trail) == 0 {
		x := 0
		for i, v := range Views {
			if x += len(v.Name) + 4; at.X < x {
				return m.open(i)
			}
		}
		return nil
	}
	mv, ok := m.visible().(mover)
	if !ok {
		return nil
	}
	l := mv.cursor()
	row := at.Y - m.bodyTop() - l.lead
	if row < 0 || row >= l.h || l.top+row >= l.n {
		return nil
	}
	return m.move(func(l *list) int { return l.top + row - l.at })
}
