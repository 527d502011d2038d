package fleet

import (
	"context"
	"math"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/state"
)

// sampleEvery is how often CPU and memory are measured.
const sampleEvery = 2 * time.Second

// sample measures what the units use until ctx ends, and publishes what has changed noticeably.
func (f *Fleet) sample(ctx context.Context) {
	meter := meter{last: map[string]reading{}}
	for sleep(ctx, sampleEvery) {
		running := map[driver.Driver][]string{}
		for _, u := range f.Snapshot().Units {
			if unit := f.unit(u.Name); unit != nil && (u.PID != 0 || u.Container != "") {
				d := f.driver(unit.plan())
				running[d] = append(running[d], u.Name)
			}
		}
		for d, names := range running {
			s, ok := d.(driver.Sampler)
			if !ok {
				continue
			}
			usage, err := s.Sample(ctx, names)
			if err != nil && ctx.Err() == nil {
				f.log.Debug("usage not measured", "err", err)
			}
			for name, now := range usage {
				f.publishUsage(name, meter.cores(name, now, time.Now()), now.Memory)
			}
		}
	}
}

// publishUsage publishes what a unit uses when it is not what was said before.
func (f *Fleet) publishUsage(name string, cores float64, memory int64) {
	f.store.Update(state.KindUsage, name, name+" was measured", func(u *state.Unit) bool {
		if u.PID == 0 && u.Container == "" {
			return false // it ended meanwhile
		}
		same := sameUsage(*u, cores, memory)
		u.CPU, u.Memory = cores, memory
		return !same
	})
}

// oneTick is what a process is charged with that the clock of the system met running once between two
// samples: it may have used much less.
const oneTick = 0.0051

// sameUsage reports a sample that is worth no word: within a tick or a percent of what was said. What has
// come to rest is said.
func sameUsage(u state.Unit, cores float64, memory int64) bool {
	rests := cores == 0 && u.CPU > 0
	return !rests && math.Abs(u.CPU-cores) <= oneTick && math.Abs(float64(u.Memory-memory)) <= float64(u.Memory)/100
}

// meter turns used CPU time into cores.
type meter struct{ last map[string]reading }

type reading struct {
	cpu time.Duration
	at  time.Time
}

// cores returns how many cores a unit used since its last reading; a first one says nothing.
func (m *meter) cores(name string, now driver.Usage, at time.Time) float64 {
	before, known := m.last[name]
	m.last[name] = reading{now.CPU, at}
	if !known || now.CPU < before.cpu || !at.After(before.at) {
		return 0
	}
	return math.Round(float64(now.CPU-before.cpu)/float64(at.Sub(before.at))*1000) / 1000
}
