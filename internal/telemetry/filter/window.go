package filter

import (
	"fmt"
	"slices"
	"time"
)

// Bounds is what the words since=, until= and run= of a filter say.
type Bounds struct {
	Since time.Time // zero: no bound
	Until time.Time // zero: no bound
	Run   string    // which run of the fleet: "prev", or an id; "" any
}

// Window splits the words since=, until= and run= off a filter. Since and until are an age ("10m", "2d"),
// "now", a time of day ("15:04", today or else yesterday in the zone of now), a date or an RFC 3339 time.
// They stand beside the other words: within OR or behind a negation they are an [*Error].
func Window(n *Node, now time.Time) (*Node, Bounds, error) {
	var b Bounds
	words := []*Node{n}
	if n != nil && n.Op == And {
		words = n.Kids
	}
	var rest []*Node
	for _, w := range words {
		took, err := b.take(w, now)
		if err != nil {
			return nil, Bounds{}, err
		}
		if !took && w != nil {
			rest = append(rest, w)
		}
	}
	if !b.Since.IsZero() && !b.Until.IsZero() && b.Until.Before(b.Since) {
		return nil, Bounds{}, &Error{Column: n.Column, Msg: "until is before since"}
	}
	switch {
	case len(rest) == 0:
		return nil, b, nil
	case len(rest) == 1:
		return rest[0], b, nil
	case len(rest) == len(words):
		return n, b, nil
	}
	return &Node{Op: And, Kids: rest, Column: n.Column}, b, nil
}

// take reads one word when it is a bound.
func (b *Bounds) take(n *Node, now time.Time) (bool, error) {
	if n == nil {
		return false, nil
	}
	if !bound(n.Key) {
		return false, n.misplaced()
	}
	if n.Op != Equal {
		return false, &Error{Column: n.Column, Msg: fmt.Sprintf("%s is only set with =", n.Key), Hint: fmt.Sprintf("did you mean %s=%s?", n.Key, n.Value)}
	}
	if n.Key == "run" {
		b.Run = n.Value
		return true, nil
	}
	t, ok := moment(n.Value, now)
	if !ok {
		return false, &Error{Column: n.Column, Msg: fmt.Sprintf("%s=%s is neither an age nor a time", n.Key, n.Value),
			Hint: fmt.Sprintf("write it like %s=10m or %s=15:04", n.Key, n.Key)}
	}
	if n.Key == "since" {
		b.Since = t
	} else {
		b.Until = t
	}
	return true, nil
}

func bound(key string) bool { return key == "since" || key == "until" || key == "run" }

// misplaced finds a bound below an OR or a negation.
func (n *Node) misplaced() error {
	for _, k := range n.Kids {
		if i := slices.IndexFunc(k.Keys(), bound); i >= 0 {
			return &Error{Column: k.Column, Msg: k.Keys()[i] + "= stands within OR or behind a negation", Hint: "put it beside the other words: it holds for all of them"}
		}
	}
	return nil
}

func moment(s string, now time.Time) (time.Time, bool) {
	if s == "now" {
		return now, true
	}
	if d, ok := duration(s); ok {
		return now.Add(-d.Abs()), true
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, true
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, true
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return today(t, now), true
		}
	}
	return time.Time{}, false
}

// today puts a time of day onto the last day on which it has been.
func today(t, now time.Time) time.Time {
	at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location())
	if at.After(now) {
		at = at.AddDate(0, 0, -1)
	}
	return at
}
