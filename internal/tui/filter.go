package tui

import (
	"slices"
	"strings"

	"msctl.dev/msctl/internal/telemetry/filter"
)

// filterKeys is what is completed in filters besides what the visible rows carry.
var filterKeys = [...]string{"service", "status", "duration", "name", "kind", "edge", "level", "unit", "trace", "since", "trace.spans", "http.route", "http.response.status_code", "db.system.name"}

// completeFilter completes keys, and names of services after service= and unit=.
func (m *model) completeFilter(text string, at int) (int, []string) {
	if at == 0 {
		return 0, nil
	}
	head := text[:at]
	word := head[strings.LastIndexAny(head, " (")+1:]
	for _, key := range []string{"service=", "unit=", "service:", "service!="} {
		if begun, ok := strings.CutPrefix(strings.TrimPrefix(word, "-"), key); ok {
			return at - len(begun), beginning(m.names(), begun)
		}
	}
	if word == "" {
		return at, nil
	}
	return filter.Complete(text, at, filterKeys[:])
}

// names is every service and unit, for completion.
func (m *model) names() []string {
	var out []string
	for _, u := range m.snap.Units {
		for _, n := range []string{u.Service, u.Name} {
			if n != "" && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

func beginning(all []string, prefix string) []string {
	var out []string
	for _, s := range all {
		if strings.HasPrefix(s, prefix) && s != prefix {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}
