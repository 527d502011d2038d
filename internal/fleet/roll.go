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
// as it is.
func (f *Fleet) roll(ctx context.Context, row []*unit) error {
	for i, u := range row {
		if err := f.claim(ctx); err != nil {
			return err
		}
		err := f.bring([]*unit{u}, func(u *unit) int { return u.restart(nil, false) })(ctx)
		if err != nil && i < len(row)-1 {
			return fmt.Errorf("%w; the %d replicas after it were left as they are", err, len(row)-1-i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
