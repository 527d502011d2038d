package tui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/state"
)

// act is a change of the fleet that runs.
type act struct {
	gen   uint64
	doing string   // "restarting orders"
	names []string // whose phases tell how far it is
}

// change asks the source for a change and says at the foot how it goes. Several may run beside each other.
func (m *model) change(doing, done string, names []string, work func(ctx context.Context) error) tea.Cmd {
	return m.changeTold(doing, names, func(ctx context.Context) (string, error) { return done, work(ctx) })
}

// changeTold is change where only the work itself knows what was done.
func (m *model) changeTold(doing string, names []string, work func(ctx context.Context) (done string, err error)) tea.Cmd {
	m.gen++
	gen := m.gen
	m.acts = append(m.acts, act{gen, doing, names})
	return m.ask(fmt.Sprint("act", gen), doing, func(ctx context.Context) func(*model) tea.Cmd {
		done, err := work(ctx)
		return func(m *model) tea.Cmd {
			m.acts = without(m.acts, gen)
			if err != nil {
				m.complain(doing + ": " + why(err))
			} else {
				m.say(done)
			}
			return nil
		}
	})
}

func without(acts []act, gen uint64) []act {
	var out []act
	for _, a := range acts {
		if a.gen != gen {
			out = append(out, a)
		}
	}
	return out
}

// doing says what is being worked on, or "".
func (m *model) doing() string {
	var parts []string
	for _, a := range m.acts {
		text := a.doing
		if p := m.phasesOf(a.names); p != "" {
			text += " (" + p + ")"
		}
		parts = append(parts, text)
	}
	if len(parts) > 0 {
		return strings.Join(parts, ", ")
	}
	for _, q := range m.asked {
		if q.doing != "" {
			return q.doing
		}
	}
	return ""
}

// phasesOf lists the phases of the units of services.
func (m *model) phasesOf(names []string) string {
	var out []string
	for _, u := range m.snap.Units {
		for _, n := range names {
			if u.Name == n || u.Service == n {
				out = append(out, u.Name+" "+string(u.Phase))
			}
		}
	}
	return several(out)
}

func (m *model) restart(name string) tea.Cmd {
	return m.change("restarting "+name, "restarted "+name, []string{name}, func(ctx context.Context) error {
		return m.source.Restart(ctx, []string{name})
	})
}

func (m *model) start(name string) tea.Cmd {
	return m.change("starting "+name, "started "+name, []string{name}, func(ctx context.Context) error {
		return m.source.Start(ctx, []string{name})
	})
}

func (m *model) stop(name string) tea.Cmd {
	return m.change("stopping "+name, "stopped "+name, []string{name}, func(ctx context.Context) error {
		return m.source.Stop(ctx, []string{name})
	})
}

func (m *model) scale(service string, n int) tea.Cmd {
	if n < 1 {
		m.complain("a service has at least one replica; s stops it")
		return nil
	}
	done := fmt.Sprintf("%s has %s now", service, plural(n, "replica"))
	return m.change(fmt.Sprintf("scaling %s to %d", service, n), done, []string{service}, func(ctx context.Context) error {
		return m.source.Scale(ctx, service, n)
	})
}

// openPage opens a unit's page in the browser, or says its address.
func (m *model) openPage(u state.Unit) tea.Cmd {
	url := pageOf(u)
	switch {
	case url == "":
		m.complain(u.Name + " has no page to open")
		return nil
	case m.opts.Browse == nil:
		m.say(url)
		return nil
	}
	return m.change("opening "+url, url, nil, func(ctx context.Context) error { return m.opts.Browse(ctx, url) })
}

// pageOf returns the address that a browser can show, or "".
func pageOf(u state.Unit) string {
	if strings.HasPrefix(u.URL, "http") {
		return plainText(u.URL)
	}
	for _, p := range u.Ports {
		if p.Name == "http" {
			return plainText("http://" + p.Addr)
		}
	}
	return ""
}

// replicas counts the units of a service.
func (m *model) replicas(service string) int {
	n := 0
	for _, u := range m.snap.Units {
		if u.Service == service && u.Phase != state.Stopping {
			n++
		}
	}
	return n
}

// running reports a unit that has a process.
func running(p state.Phase) bool {
	switch p {
	case state.Stopped, state.Done, state.Failed, state.Skipped:
		return false
	}
	return true
}
