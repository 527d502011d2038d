package embedded

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// tidyEvery is how often it is looked whether the journal needs a whole save.
const tidyEvery = 2 * time.Second

// runRedis serves miniredis. Keys expire by the clock; the data is loaded from o.Dir at the start and
// saved there at the end. In between a journal keeps what changes: it outlives this process, however that
// ends, but nothing is forced to disk before the system does it.
func runRedis(ctx context.Context, o options) error {
	if _, _, err := loopback(o.Addr); err != nil {
		return err
	}
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	file := filepath.Join(o.Dir, "dump.json")
	j, n, err := openJournal(m, file)
	if err != nil {
		return err
	}
	if err := m.StartAddr(o.Addr); err != nil {
		return errors.Join(err, j.close())
	}
	defer m.Close()
	m.Server().SetPreHook(j.hook)
	o.logf("redis (miniredis) ready on %s, %d keys loaded", o.Addr, n)
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			m.Server().Close() // no command may come after the last save
			return j.close()
		case <-tick.C:
			if err := j.tidy(); err != nil {
				o.logf("data not saved: %v", err)
			}
		}
	}
}
