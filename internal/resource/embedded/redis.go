package embedded

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
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
	end, err := j.serve(o.Addr)
	if err != nil {
		return errors.Join(err, j.close())
	}
	defer m.Close()
	o.logf("redis (miniredis) ready on %s, %d keys loaded", o.Addr, n)
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end() // no command may come after the last save
			return j.close()
		case <-tick.C:
			if err := j.tidy(); err != nil {
				o.logf("data not saved: %v", err)
			}
		}
	}
}

// serve answers on addr until end is called. No command comes before the journal is told of all of them.
func (j *journal) serve(addr string) (end func(), err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	pipe, err := j.m.Dial() // makes the server, which has no listener then
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	pipe.Close()
	server := j.m.Server()
	server.SetPreHook(j.hook)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				server.ServeConn(conn)
			}
		}
	})
	return func() {
		ln.Close()
		accepting.Wait()
		j.m.CtxCancel() // nobody waits for a list any more
		server.Close()
	}, nil
}
