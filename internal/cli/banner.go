package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"msctl.dev/msctl/internal/state"
)

// banner prints what runs where and what one can do next, in one screen.
func banner(s screen, snap state.Snapshot, took time.Duration, keys string) {
	good, bad := 0, []string{}
	for _, u := range snap.Units {
		if isUp(u) {
			good++
		} else {
			bad = append(bad, u.Name)
		}
	}
	head := fmt.Sprintf("%s is up in %.1fs: %d ready", snap.Stack, took.Seconds(), good)
	colour := green
	if len(bad) > 0 {
		head = fmt.Sprintf("%s: %d of %d ready after %.1fs", snap.Stack, good, len(snap.Units), took.Seconds())
		colour = yellow
	}
	head, keys = fold(head, s.width, ""), fold(keys, s.width, "  ")
	fmt.Fprintf(s, "\n%s\n\n", s.paint(bold+";"+colour, head))
	receiver := receiverText(s, snap)
	bannerTable(s, snap.Units, s.height-8-strings.Count(head+receiver+keys, "\n"))
	io.WriteString(s, receiver+"\n"+keys+"\n\n")
}

// receiverText says where telemetry goes, or nothing where it is off.
func receiverText(s screen, snap state.Snapshot) string {
	if snap.Receiver == nil {
		return ""
	}
	text := fmt.Sprintf("Telemetry: %s (OTLP, Jaeger's API, /metrics), gRPC %s", snap.Receiver.HTTP, snap.Receiver.GRPC)
	return "\n" + s.paint(dim, fold(text, s.width, "  ")) + "\n"
}

// bannerTable lists units; where there is room for fewer, what is up gives way to what is not.
func bannerTable(s screen, units []state.Unit, room int) {
	shown, hidden := units, 0
	if s.height > 0 && room > 3 && len(units) > room {
		shown, hidden = mostTelling(units, room), len(units)-room
	}
	cols := []column{{title: "NAME", least: 12}, {title: "RUN BY", least: 8, spare: 1}, {title: "STATE"}, {title: "URL", least: 16}}
	rows := make([][]cell, len(shown))
	for i, u := range shown {
		where := u.URL
		if w := why(u, time.Now()); !running(u.Phase) && w != "" {
			where = w
		}
		rows[i] = []cell{{u.Name, bold}, {u.Backing, ""}, {string(u.Phase), phaseColour(u.Phase)}, {firstLine(clean(where)), ""}}
	}
	writeTable(s, "  ", cols, rows)
	if hidden > 0 {
		fmt.Fprintf(s, "  … and %d more: msctl ps\n", hidden)
	}
}

// mostTelling keeps n units in their order: those that are not up first, then services.
func mostTelling(units []state.Unit, n int) []state.Unit {
	keep := map[string]bool{}
	for _, wanted := range []func(state.Unit) bool{
		func(u state.Unit) bool { return !running(u.Phase) },
		func(u state.Unit) bool { return u.Sort == state.Service && u.Replica <= 1 },
		func(state.Unit) bool { return true },
	} {
		for _, u := range units {
			if len(keep) < n && wanted(u) {
				keep[u.Name] = true
			}
		}
	}
	var out []state.Unit
	for _, u := range units {
		if keep[u.Name] {
			out = append(out, u)
		}
	}
	return out
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// keys is the last line of a banner: what to do next, with one of these words before.
func (a *App) keys(before string) string {
	return before + a.called() + " ps · logs -f NAME · restart NAME · open NAME · down"
}

const (
	foregroundKeys = "Ctrl-C takes it down. Elsewhere: "
	attachedKeys   = "Ctrl-C leaves it running. Next: "
	detachedKeys   = "Next: "
)
