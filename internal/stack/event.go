package stack

import (
	"regexp"
	"slices"
	"strings"
)

// The keys of events: words with dots between. A consumer's may have * for one word and # for any number.
var (
	eventRule   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}(\.[a-z0-9][a-z0-9_-]{0,62}){0,9}$`)
	patternRule = regexp.MustCompile(`^([a-z0-9][a-z0-9_-]{0,62}|\*|#)(\.([a-z0-9][a-z0-9_-]{0,62}|\*|#)){0,9}$`)
)

const eventHint = "words with dots between, such as order.confirmed"

// Flow is what a service is told of by another one, through a broker: the noun that message contracts hang
// from.
type Flow struct {
	From, To string   // publisher and consumer
	Events   []string // keys, in the publisher's order
}

// Flows returns who tells whom of what, in file order.
func (s *Stack) Flows() []Flow {
	var out []Flow
	for _, from := range s.Services {
		if len(from.Publishes) == 0 {
			continue
		}
		for _, to := range s.Services {
			f := Flow{From: from.Name, To: to.Name}
			for _, key := range from.Publishes {
				if to.consumes(key) {
					f.Events = append(f.Events, key)
				}
			}
			if len(f.Events) > 0 {
				out = append(out, f)
			}
		}
	}
	return out
}

func (s *Service) consumes(key string) bool {
	return slices.ContainsFunc(s.Consumes, func(pattern string) bool { return EventMatches(pattern, key) })
}

// EventMatches reports whether a consumer's pattern stands for an event's key, as in a topic exchange.
func EventMatches(pattern, key string) bool {
	return wordsMatch(strings.Split(pattern, "."), strings.Split(key, "."))
}

func wordsMatch(pattern, key []string) bool {
	for i, p := range pattern {
		if p == "#" {
			for n := i; n <= len(key); n++ {
				if wordsMatch(pattern[i+1:], key[n:]) {
					return true
				}
			}
			return false
		}
		if i >= len(key) || p != "*" && p != key[i] {
			return false
		}
	}
	return len(pattern) == len(key)
}

// ValidEvent reports a good key of an event.
func ValidEvent(key string) bool { return eventRule.MatchString(key) }

// ValidPattern reports what a consumer may ask for: a key, or one with * and # in it.
func ValidPattern(pattern string) bool { return maySkip(pattern) && patternRule.MatchString(pattern) }

// maySkip bounds what a match can cost: every # doubles what is tried.
func maySkip(pattern string) bool { return strings.Count(pattern, "#") <= 2 }

// eventKeys say what a service tells and is told of.
func eventKeys() []field[*serviceDraft] {
	type s = *serviceDraft
	pattern := matching(patternRule, eventHint+"; * is one word, # any number")
	return []field[s]{
		key("publishes", "Keys of the events that it publishes, such as [order.confirmed]. Default: none.",
			listOf(at(matching(eventRule, eventHint))), func(d *s, v []spot) { (*d).publishes = v }),
		key("consumes", "Keys of the events that it is told of through a broker; * is one word, # any number. Default: none.",
			listOf(at(pattern)), func(d *s, v []spot) { (*d).consumes = v }),
	}
}

// events takes over the keys of a service.
func (l *loader) events(d *serviceDraft) {
	s := &d.Service
	for _, e := range d.publishes {
		s.Publishes = l.once(s.Publishes, e, "service %q publishes %q twice", s.Name)
	}
	for _, e := range d.consumes {
		if !maySkip(e.Name) {
			l.fail(e.Pos, "", "service %q consumes %q, which has over two #", s.Name, e.Name)
			continue
		}
		s.Consumes = l.once(s.Consumes, e, "service %q consumes %q twice", s.Name)
	}
}

// unheard warns of a key that nobody publishes and that is nearly one that somebody does. Others may come
// from outside the stack.
func (l *loader) unheard(es []entry[*serviceDraft]) {
	var published []string
	consumed := 0
	for _, e := range es {
		published = append(published, e.Value.Publishes...)
		consumed += len(e.Value.consumes)
	}
	if n := len(published) + consumed; n > maxEvents {
		l.fail(es[0].Pos, "", "the stack has %d events, more than %d", n, maxEvents)
		return
	}
	for _, e := range es {
		for _, pattern := range e.Value.consumes {
			heard := slices.ContainsFunc(published, func(key string) bool { return EventMatches(pattern.Name, key) })
			if hint := suggest(pattern.Name, published[:min(len(published), maxCandidates)]); !heard && hint != "" {
				l.warn(pattern.Pos, hint, "service %q consumes %q, which no service publishes", e.Name, pattern.Name)
			}
		}
	}
}
