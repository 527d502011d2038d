package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Level is one item's stock: available + reserved + sold = received.
type Level struct {
	Item      string `json:"item_id"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Sold      int64  `json:"sold"`
	Received  int64  `json:"received"`
	Version   int64  `json:"version"` // 1 at first, one more with each change
}

// Line is so many of one item.
type Line struct {
	Item     string `json:"item_id"`
	Quantity int64  `json:"quantity"`
}

// Reservation is what an order holds, or has held.
type Reservation struct {
	Order   string
	State   State
	Lines   []Line // in the order of the items; none where the order never held anything
	Expires time.Time
}

// State of a reservation. One that is held becomes sold, released or expired, and one that is sold
// or expired may still be released; released is the end.
type State string

// The states.
const (
	Held     State = "held"
	Sold     State = "sold"
	Released State = "released"
	Expired  State = "expired"
)

// Receipt is goods that came in.
type Receipt struct {
	ID string
	Line
}

const (
	linesMost   = 100
	reserveMost = 1_000_000     // of one item in one order
	receiveMost = 1_000_000_000 // of one item in one receipt
	holdUsual   = 15 * time.Minute
	holdMost    = time.Hour
)

var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func checkID(field, id string) error {
	if !idForm.MatchString(id) {
		return wrong("%s %q must match %s", field, id, idForm)
	}
	return nil
}

// check says what is wrong with a reservation that is asked for, and puts its lines in order: who
// takes rows in one order never waits in a circle.
func (r *Reservation) check() error {
	if err := checkID("order_id", r.Order); err != nil {
		return err
	}
	if n := len(r.Lines); n < 1 || n > linesMost {
		return wrong("lines: there are %d, not 1 to %d", n, linesMost)
	}
	slices.SortFunc(r.Lines, func(a, b Line) int { return cmp.Compare(a.Item, b.Item) })
	for i, l := range r.Lines {
		if err := l.check(reserveMost); err != nil {
			return err
		}
		if i > 0 && r.Lines[i-1].Item == l.Item {
			return wrong("lines: item %s has more than one", l.Item)
		}
	}
	return nil
}

func (l Line) check(most int64) error {
	if err := checkID("item_id", l.Item); err != nil {
		return err
	}
	if l.Quantity < 1 || l.Quantity > most {
		return wrong("quantity of %s is %d, not 1 to %d", l.Item, l.Quantity, most)
	}
	return nil
}

func (r Receipt) check() error {
	if err := checkID("receipt_id", r.ID); err != nil {
		return err
	}
	return r.Line.check(receiveMost)
}

func wrong(format string, args ...any) error {
	return status.Error(codes.InvalidArgument, fmt.Sprintf(format, args...))
}
