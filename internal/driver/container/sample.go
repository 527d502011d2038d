package container

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/internal/driver"
)

// sampling bounds how many containers are asked at a time.
const sampling = 8

// Sample asks the engine once for each unit that this driver runs now. Units that do not run are left out.
func (d *Driver) Sample(ctx context.Context, units []string) (map[string]driver.Usage, error) {
	ids := d.running(units)
	out := make(map[string]driver.Usage, len(ids))
	l := d.link.Load()
	if l == nil || len(ids) == 0 {
		return out, nil
	}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(sampling)
	for unit, id := range ids {
		g.Go(func() error {
			u, ok, err := l.usage(ctx, id)
			if err != nil || !ok {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out[unit] = u
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return out, fmt.Errorf("sample containers: %s", oneLine(err))
	}
	return out, nil
}

func (d *Driver) running(units []string) map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]string{}
	for _, u := range units {
		if id := d.ids[u]; id != "" {
			out[u] = id
		}
	}
	return out
}

// usage reads one container; not ok means that it has ended meanwhile.
func (l *link) usage(ctx context.Context, id string) (u driver.Usage, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	r, err := l.cli.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return u, false, ignoreGone(err)
	}
	defer r.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		return u, false, err
	}
	if s.PidsStats.Current == 0 && s.MemoryStats.Usage == 0 {
		return u, false, nil
	}
	return driver.Usage{
		CPU:       time.Duration(s.CPUStats.CPUUsage.TotalUsage),
		Memory:    resident(s.MemoryStats),
		Processes: int(s.PidsStats.Current),
	}, true, nil
}

// resident takes the page cache that can be dropped at any moment out of what the cgroup counts:
// total_inactive_file in version 1, inactive_file in version 2.
func resident(m container.MemoryStats) int64 {
	cache, v1 := m.Stats["total_inactive_file"]
	if !v1 {
		cache = m.Stats["inactive_file"]
	}
	if cache > m.Usage {
		return int64(m.Usage)
	}
	return int64(m.Usage - cache)
}
