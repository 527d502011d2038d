package keeper

import "errors"

// Bound is a control group, which this system does not have.
type Bound struct{}

// NewBound says that this system has no control groups.
func NewBound(stack, unit string, keeper, leader int, cores float64) (*Bound, error) {
	return nil, errors.New("this system has no control groups")
}

// Take does nothing.
func (b *Bound) Take(members func() []int) error { return nil }

// Release does nothing.
func (b *Bound) Release() error { return nil }
