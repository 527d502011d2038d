package experiment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/state"
)

// gone is that faults did not act until their end: what the run showed after that, it showed without them.
type gone struct{ ids []string }

func (g gone) Error() string {
	return fmt.Sprintf("%s acted no more before its end: its lease was over, or somebody else lifted it", strings.Join(g.ids, ", "))
}

// removes notes faults that the run itself is about to lift.
func (w *world) removes(ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.ours[id] = true
	}
}

// lift removes those of the run's faults that still act. It returns [gone] where one does not, and the run itself
// has not lifted it.
func (w *world) lift(ctx context.Context, ids []string) error {
	var err error
	for range 3 { // another may lift one in between
		var all []state.Fault
		if all, err = w.Fleet.Faults(ctx); err != nil {
			return err
		}
		left, lost := w.split(ids, all)
		if len(left) > 0 {
			w.removes(left)
			_, err = w.Fleet.RemoveFaults(ctx, left)
		}
		switch {
		case err == nil && len(lost) > 0:
			return gone{lost}
		case err == nil || !strings.Contains(err.Error(), state.ErrUnknownFault.Error()):
			return err
		}
	}
	return err
}

// split tells the faults that still act from those that are lost.
func (w *world) split(ids []string, all []state.Fault) (left, lost []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		acts := slices.ContainsFunc(all, func(f state.Fault) bool { return f.ID == id && f.Lease == w.lease() })
		switch {
		case acts:
			left = append(left, id)
		case !w.ours[id]:
			lost = append(lost, id)
		}
	}
	return left, lost
}
