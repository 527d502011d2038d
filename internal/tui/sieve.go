package tui

import (
	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// sieve leaves rows of a view out by a filter.
type sieve struct {
	filter string
	node   *filter.Node // nil lets all through
}

func (s *sieve) title(*model) string { return filterTitle(s.filter) }
func (s *sieve) filterText() string  { return s.filter }

func (s *sieve) setFilter(_ *model, text string) (tea.Cmd, error) {
	n, err := filter.Parse(text)
	if err != nil {
		return nil, err
	}
	s.filter, s.node = text, n
	return nil, nil
}

// filterTitle names a filter beside the title of a view.
func filterTitle(text string) string {
	if text == "" {
		return ""
	}
	return "/" + text
}

// nothing says why no row is there: the filter, or what is said otherwise.
func (s *sieve) nothing(otherwise string) string {
	if s.filter != "" {
		return "nothing matches " + s.filter + "; Esc drops the filter"
	}
	return otherwise
}
