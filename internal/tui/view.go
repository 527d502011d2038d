package tui

import tea "charm.land/bubbletea/v2"

// View is one row of the dashboard: what it is called and how it is made. A new view is one file with its
// screen and one row in Views.
type View struct {
	Name string
	Doc  string
	New  func() screen
}

// Views is every view in the order of its digit.
var Views = []View{
	{"services", "what runs, and how well", func() screen { return &services{} }},
	{"logs", "what services print", func() screen { return &logs{follow: true} }},
	{"traces", "where requests went", func() screen { return &traces{} }},
	{"map", "who calls whom", func() screen { return &graph{} }},
	{"events", "what happened, and when", func() screen { return &events{} }},
	{"contracts", "what consumers need of providers, and whether it holds", func() screen { return &pacts{} }},
}

// screen is what a view keeps and how it is drawn. Only the model's loop calls it. Screens that are
// opened from others (a unit, a waterfall, the help) are screens too, without a row in Views.
type screen interface {
	// title is what the screen shows, in a few words.
	title(m *model) string
	// draw returns at most h rows of at most w columns.
	draw(m *model, w, h int) []string
	// keys is the key map, in the order of the help.
	keys(m *model) []binding
}

// What a screen may do besides, found by type assertion.
type (
	// opener is told when it becomes visible.
	opener interface{ opened(m *model) tea.Cmd }
	// mover has rows of which one is chosen.
	mover interface{ cursor() *list }
	// scroller is told that the user moved.
	scroller interface{ moved(m *model) tea.Cmd }
	// filterer can leave rows out. setFilter says what is wrong with the text.
	filterer interface {
		filterText() string
		setFilter(m *model, text string) (tea.Cmd, error)
	}
	// sifted was opened with a filter: Esc goes back to it, and not to everything.
	sifted interface{ givenText() string }
	// leaver may use Esc for itself: true when it did.
	leaver interface{ left(m *model) bool }
	// watcher shows answers that are asked for anew each second while it is visible.
	watcher interface{ tick(m *model) tea.Cmd }
	// edged is drawn from the edges, which are asked for each second whatever is visible.
	edged interface{ edged() }
	// pulser takes in what was fed since, and reports whether its rows changed.
	pulser interface{ pulse(m *model, n news) bool }
	// detailer draws the chosen row at full length beside the list, where there is room; nil leaves it to
	// the list.
	detailer interface {
		detail(m *model, w, h int) []string
	}
)
