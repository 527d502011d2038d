package scaffold

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// Events is what a template does with events.
type Events struct {
	Needs     []string `yaml:"needs"`     // kinds without which it can neither publish nor consume; none: it has no code for events
	Publishes []Told   `yaml:"publishes"` // what it publishes unasked
	Consumes  string   `yaml:"consumes"`  // what it consumes where nothing is said; "" is nothing
	Only      bool     `yaml:"only"`      // events are all that it does: its HTTP port is for health, and no route leads there
}

// Told is one event that a template publishes unasked.
type Told struct {
	Key  string `yaml:"key"`  // may use values
	When string `yaml:"when"` // a value such as .Broker without which it is not published
}

// Event is one that the new service publishes or consumes.
type Event struct {
	Key string // order.confirmed; of one that is consumed order.* too
}

// Name is a name for its type: OrderConfirmed, and OrderAny for order.*.
func (e Event) Name() string {
	words := strings.FieldsFunc(e.Queue(), func(r rune) bool { return r == '.' || r == '_' })
	name := title(strings.Join(words, "-"))
	if len(words) < 2 { // order alone is what is kept
		name += "Event"
	}
	return name
}

// Ident is its name as it begins in a function: orderConfirmed.
func (e Event) Ident() string {
	name := e.Name()
	return strings.ToLower(name[:1]) + name[1:]
}

// Snake is its name in Python: order_confirmed.
func (e Event) Snake() string {
	s := strings.NewReplacer(".", "_", "-", "_").Replace(e.Queue())
	if s[0] >= '0' && s[0] <= '9' {
		s = "n" + s
	}
	if !strings.Contains(s, "_") {
		s += "_event"
	}
	return s
}

// Queue is what the queue is called that gets it, behind the service's name: order.any for order.*.
func (e Event) Queue() string { return strings.NewReplacer("*", "any", "#", "all").Replace(e.Key) }

// Example is a key that it stands for.
func (e Event) Example() string { return strings.NewReplacer("*", "any", "#", "any").Replace(e.Key) }

// Events are all that the service publishes or consumes, each once.
func (v Values) Events() []Event {
	all := slices.Clone(v.Publishes)
	for _, e := range v.Consumes {
		if !slices.Contains(all, e) {
			all = append(all, e)
		}
	}
	return all
}

// Published is one event that a service of the stack publishes.
type Published struct{ From, Key string }

// Heard is one event of a service of the stack that the new one is told of.
type Heard struct {
	Published
	pattern Event
}

// Name is a name for it alone: UsersUserUpdated.
func (h Heard) Name() string { return title(h.From) + Event{h.Key}.Name() }

// Snake is its name in Python: users_user_updated.
func (h Heard) Snake() string {
	return strings.ReplaceAll(h.From, "-", "_") + "_" + Event{h.Key}.Snake()
}

// Ident is the name of what handles it, see [Event.Ident].
func (h Heard) Ident() string { return h.pattern.Ident() }

// Heard are the events of the stack that the new service is told of.
func (v Values) Heard() []Heard {
	var all []Heard
	for _, p := range v.Others {
		i := slices.IndexFunc(v.Consumes, func(e Event) bool { return stack.EventMatches(e.Key, p.Key) })
		if i >= 0 {
			all = append(all, Heard{p, v.Consumes[i]})
		}
	}
	return all
}

// told returns what the template publishes unasked for these values.
func (t *Template) told(v Values) ([]Event, error) {
	var all []Event
	for _, p := range t.Events.Publishes {
		yes, err := execute("when", condition(p.When), v)
		if err != nil {
			return nil, err
		}
		key, err := execute("key", p.Key, v)
		if err != nil {
			return nil, err
		}
		if len(yes) > 0 {
			all = append(all, Event{string(key)})
		}
	}
	return all, nil
}

// withEvents takes out of what is published what the template publishes anyway, and adds what it consumes
// where nothing is said.
func (t *Template) withEvents(v Values) (Values, error) {
	own, err := t.told(v)
	if err != nil {
		return v, err
	}
	v.Publishes = slices.DeleteFunc(slices.Clone(v.Publishes), func(e Event) bool { return slices.Contains(own, e) })
	if len(v.Consumes) == 0 && t.Events.Consumes != "" {
		v.Consumes = []Event{{t.Events.Consumes}}
	}
	return v, nil
}

// published is all that stack.yaml is told that the service publishes.
func (t *Template) published(v Values) ([]Event, error) {
	own, err := t.told(v)
	for _, e := range v.Publishes {
		if !slices.Contains(own, e) {
			own = append(own, e)
		}
	}
	return own, err
}

// checkEvents refuses keys that are none, two that would have one name, and a template that has no code for
// events.
func (v Values) checkEvents(t *Template) error {
	names := map[string]string{}
	for _, e := range v.Events() {
		if !stack.ValidPattern(e.Key) {
			return fmt.Errorf("read event: %q is not words with dots between, such as order.confirmed", e.Key)
		}
		if other := names[e.Name()]; other != "" {
			return fmt.Errorf("read event: %s and %s would have one name", other, e.Key)
		}
		names[e.Name()] = e.Key
	}
	for _, e := range v.Publishes {
		if !stack.ValidEvent(e.Key) {
			return fmt.Errorf("read event: %q is published, and must be one key", e.Key)
		}
	}
	if len(names) > 0 && len(t.Events.Needs) == 0 {
		return fmt.Errorf("read event: %s has no code for events", t.Name)
	}
	for _, p := range v.Others {
		if !nameForm.MatchString(p.From) || !stack.ValidEvent(p.Key) {
			return fmt.Errorf("read event: %q of %q is no event", p.Key, p.From)
		}
	}
	return v.checkNeeds(t, len(names) > 0)
}

// checkNeeds refuses a use of a template without what it cannot do without.
func (v Values) checkNeeds(t *Template, events bool) error {
	needs := t.Needs
	if events {
		needs = append(slices.Clone(needs), t.Events.Needs...)
	}
	for _, need := range needs {
		if v.first(strings.Split(need, "|")...) == nil {
			return fmt.Errorf("read use: %s needs %s", t.Name, strings.ReplaceAll(need, "|", " or "))
		}
	}
	return nil
}

func (e Events) check() error {
	var errs []error
	for _, p := range e.Publishes {
		errs = append(errs, checkText("key", p.Key), checkText("when", condition(p.When)))
	}
	if e.Consumes != "" && !stack.ValidPattern(e.Consumes) {
		errs = append(errs, fmt.Errorf("consumes %q is not a key", e.Consumes))
	}
	if len(e.Needs) == 0 && (len(e.Publishes) > 0 || e.Consumes != "" || e.Only) {
		errs = append(errs, errors.New("needs: a broker at least"))
	}
	return errors.Join(errs...)
}
