package cli

import (
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/scaffold"
)

// events reads --publishes and --consumes. The template must have code for them.
func (n *newService) events() error {
	publishes, err := eventKeys("publishes", n.o.publishes, stack.ValidEvent, "words with dots between, such as billing.paid")
	if err != nil {
		return err
	}
	consumes, err := eventKeys("consumes", n.o.consumes, stack.ValidPattern, "words with dots between, such as order.confirmed; * is one word, # any number")
	if err != nil {
		return err
	}
	if len(publishes)+len(consumes) > 0 && !n.tells() {
		return usage("templates with code for events: "+list(eventTemplates()), "read --publishes and --consumes: %s has no code for events", n.template.Name)
	}
	n.values.Publishes, n.values.Consumes = publishes, consumes
	return nil
}

// tells reports a template that has code for events.
func (n *newService) tells() bool { return len(n.template.Events.Needs) > 0 }

func eventKeys(flag string, words []string, valid func(string) bool, hint string) ([]scaffold.Event, error) {
	var all []scaffold.Event
	for _, word := range words {
		e := scaffold.Event{Key: strings.TrimSpace(word)}
		if !valid(e.Key) {
			return nil, usage(hint, "read --%s: %q is not an event's key", flag, e.Key)
		}
		if !slices.Contains(all, e) {
			all = append(all, e)
		}
	}
	return all, nil
}

// needs are the kinds that the template cannot do without, for what it is asked.
func (n *newService) needs() []string {
	if len(n.values.Events()) == 0 {
		return n.template.Needs
	}
	return slices.Concat(n.template.Needs, n.template.Events.Needs)
}

// published are the keys of events of the stack.
func published(st *stack.Stack) []string {
	var all []string
	for _, s := range st.Services {
		all = append(all, s.Publishes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// eventTemplates are the names of msctl's own templates that have code for events.
func eventTemplates() []string {
	return slices.DeleteFunc(templateNames(), func(name string) bool {
		t, err := ownTemplate(name)
		return err != nil || len(t.Events.Needs) == 0
	})
}
