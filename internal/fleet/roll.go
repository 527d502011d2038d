package fleet

import (
	"context"
	"fmt"

	"msctl.dev/msctl/internal/state"
)

// rows takes the services out of units of which several replicas run and are all among them: these can be
// run anew one after another, so that their callers notice nothing.
func (f *Fleet) rows(units []*unit) (rows [][]*unit, rest []*unit) {
	row := map[string][]*unit{}
	var services []string
	for _, u := range units {
		service := u.plan().Service
		if row[service] == nil {
			services = append(services, service)
		}
		row[service] = append(row[service], u)
	}
	for _, service := range services {
		us := row[service]
		if len(us) > 1 && us[0].plan().Sort == state.Service && anyReady(us) {
			rows = append(rows, us)
		} else {
			rest = append(rest, us...)
		}
	}
	return rows, rest
}

func anyReady(units []*unit) bool {
	for _, u := range units {
		if u.door.look().ready {
			return true
		}
	}
	return false
}

// roll runs replicas anew, each when the one before is ready. Where one does not come up, the rest is left
// as it is. It passes over those that include, if not nil, leaves out when it is their turn.
func (f *Fleet) roll(ctx context.Context, row []*unit, include func(*unit) bool) error {
	for i, u := range row {
		if err := f.claim(ctx); err != nil {
			return err
		}
		if include != nil && !include(u) {
			<-f.changing
			continue
		}
		again := func(u *unit) int { return u.restart(nil, false) }
		if f.current().holds(u.plan()) {
			if err := f.release(ctx, u); err != nil {
				<-f.changing
				return err
			}
			again = (*unit).start
		}
		err := f.bring([]*unit{u}, again)(ctx)
		if err != nil && i < len(row)-1 {
			return fmt.Errorf("%w; the %d replicas after it were left as they are", err, len(row)-1-i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rolls are services that are run anew in the background. A later roll of a service takes the place of the one
// that is under way. It belongs to one goroutine; the zero value is ready.
type rolls map[string]*rolling

type rolling struct {
	stop context.CancelFunc
	done chan struct{} // closed when it has ended
}

// begin runs roll until it returns or ctx ends. The service must not be rolling.
func (r *rolls) begin(ctx context.Context, service string, roll func(context.Context)) {
	if *r == nil {
		*r = rolls{}
	}
	ctx, stop := context.WithCancel(ctx)
	one := &rolling{stop, make(chan struct{})}
	(*r)[service] = one
	go func() {
		defer close(one.done)
		roll(ctx)
	}()
}

// end leaves the replicas of a service that are not run anew yet as they are.
func (r *rolls) end(service string) {
	if one := (*r)[service]; one != nil {
		one.stop()
		<-one.done
		delete(*r, service)
	}
}

// endAll ends every roll.
func (r *rolls) endAll() {
	for service := range *r {
		r.end(service)
	}
}
