package embedded

import (
	"context"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// saveEvery is how often a changed data set is written to disk, and so how much a crash may lose.
const saveEvery = 2 * time.Second

// runRedis serves miniredis. Keys expire by the clock; the data is loaded from o.Dir at the start and
// saved there at the end, and in between whenever commands came.
func runRedis(ctx context.Context, o options) error {
	if _, _, err := loopback(o.Addr); err != nil {
		return err
	}
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	file := filepath.Join(o.Dir, "dump.json")
	n, err := loadRedis(m, file)
	if err != nil {
		return err
	}
	if err := m.StartAddr(o.Addr); err != nil {
		return err
	}
	defer m.Close()
	o.logf("redis (miniredis) ready on %s, %d keys loaded", o.Addr, n)
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for saved := 0; ; {
		select {
		case <-ctx.Done():
			m.Server().Close() // no command may come after the last save
			return saveRedis(m, file)
		case <-tick.C:
			count := m.CommandCount()
			if count == saved {
				continue
			}
			if err := saveRedis(m, file); err != nil {
				o.logf("data not saved: %v", err)
				continue
			}
			saved = count
		}
	}
}
