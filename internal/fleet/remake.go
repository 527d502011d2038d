package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// edit is a service and the first file that was changed of it.
type edit struct {
	*stack.Service
	path string
}

// remake makes services again and restarts them. One whose build broke runs on as it is.
func (f *Fleet) remake(ctx context.Context, edits []edit) {
	before := map[string]fileStamp{}
	var services []*stack.Service
	for _, e := range edits {
		before[e.Name], _ = stampOf(goProgram(e.Service, f.o.CacheDir))
		services = append(services, e.Service)
	}
	since := time.Now()
	begun := f.made.start(ctx, services)
	for _, e := range edits {
		if begun[e.Name] != nil {
			f.note(state.KindNotice, fmt.Sprintf("%s changed (%s): building", e.Name, f.local(e.path)))
		}
	}
	for _, e := range edits {
		job, did := begun[e.Name], fmt.Sprintf("%s changed (%s)", e.Name, f.local(e.path))
		if job != nil {
			select {
			case <-job.done:
			case <-ctx.Done():
				return
			}
			if job.err == nil {
				f.showMended(e.Name)
			}
			did = fmt.Sprintf("%s built in %.1fs", e.Name, time.Since(since).Seconds())
		}
		now, _ := stampOf(goProgram(e.Service, f.o.CacheDir))
		switch {
		case job != nil && job.err != nil:
			f.showBroken(e.Name, job.err)
		case e.Language == stack.Go && job != nil && now == before[e.Name] && len(e.Watch.Paths) == 0 && !f.failed(e.Name):
			f.note(state.KindNotice, did+", the program is the same")
		default:
			f.renew(ctx, e.Service, did)
		}
	}
}

// local returns a path as seen from the stack's folder, where it is in there.
func (f *Fleet) local(path string) string {
	if rel, err := filepath.Rel(f.options().Stack.Dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// failed reports whether a unit of the service does not run.
func (f *Fleet) failed(service string) bool {
	return slices.ContainsFunc(f.group(service), func(u *unit) bool { return !u.door.look().ready })
}

// showBroken says that a build broke, and what runs meanwhile.
func (f *Fleet) showBroken(service string, err error) {
	text := fmt.Sprintf("%s not rebuilt, the old one runs on: %v", service, err)
	for _, u := range f.group(service) {
		if u.door.look().alive {
			u.update(state.KindBuild, text, func(s *state.Unit) bool {
				s.Reason, s.LastLines = err.Error(), nil
				var b *buildError
				if errors.As(err, &b) {
					s.LastLines = b.lines
				}
				return true
			})
			continue
		}
		u.fail(outcome{err: err}, err.Error())
	}
}

// showMended takes back what was said of a broken build.
func (f *Fleet) showMended(service string) {
	for _, u := range f.group(service) {
		if !u.door.look().ready {
			continue
		}
		u.update(state.KindBuild, u.name+" builds again", func(s *state.Unit) bool {
			broken := s.Phase == state.Ready && s.Reason != ""
			if broken {
				s.Reason, s.LastLines = "", nil
			}
			return broken
		})
	}
}

// renew restarts the units of an edited service, replicas one after another, or tells them by a signal, and
// says so after what was done for it. One that was stopped on request stays down.
func (f *Fleet) renew(ctx context.Context, s *stack.Service, did string) {
	f.rolling.end(s.Name)
	if f.claim(ctx) != nil {
		return // the fleet goes down
	}
	defer func() { <-f.changing }()
	units := slices.DeleteFunc(slices.Clone(f.group(s.Name)), func(u *unit) bool { return !u.wanted() })
	row, _ := f.rows(units)
	switch {
	case len(units) == 0:
		did += ", stays stopped"
	case s.Watch.Action == "signal":
		did += ", sending HUP"
	case len(row) > 0:
		f.note(state.KindNotice, did+", restarting one replica after another")
		f.rolling.begin(ctx, s.Name, func(ctx context.Context) { f.rollEdited(ctx, s.Name, units) })
		return
	default:
		did += ", restarting"
	}
	f.note(state.KindNotice, did)
	for _, u := range units {
		now, _ := f.store.Unit(u.name)
		if s.Watch.Action == "signal" && now.PID != 0 && now.Container == "" {
			if p, err := os.FindProcess(now.PID); err == nil && p.Signal(syscall.SIGHUP) == nil {
				continue
			}
		}
		u.restart(nil, false)
	}
}

// rollEdited runs the replicas of an edited service anew. Where one does not come up, the others run on as they
// were, until the next edit. One that was stopped meanwhile stays down.
func (f *Fleet) rollEdited(ctx context.Context, service string, units []*unit) {
	if err := f.roll(ctx, units, (*unit).wanted); err != nil && ctx.Err() == nil {
		f.note(state.KindNotice, fmt.Sprintf("%s not wholly renewed: %v", service, err))
	}
}
