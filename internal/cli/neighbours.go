package cli

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/fleet"
)

// neighbours asks every stack of this user that runs, this one too, who it is. One that does not answer soon
// is left out.
func (a *App) neighbours(ctx context.Context, p place) []fleet.Running {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	sockets, _ := filepath.Glob(filepath.Join(filepath.Dir(p.newSocket()), "*.sock"))
	all := make([]fleet.Running, len(sockets))
	var asking sync.WaitGroup
	for i, path := range sockets {
		asking.Go(func() { all[i] = neighbour(ctx, path) })
	}
	asking.Wait()
	var there []fleet.Running
	for _, r := range all {
		if r.PID != 0 {
			there = append(there, r)
		}
	}
	return there
}

func neighbour(ctx context.Context, socket string) fleet.Running {
	c, err := control.Dial(ctx, socket)
	if err != nil {
		return fleet.Running{}
	}
	defer c.Close()
	snap, err := c.Snapshot(ctx)
	if err != nil {
		return fleet.Running{}
	}
	return fleet.Running{ID: strings.TrimSuffix(filepath.Base(socket), ".sock"), PID: c.Info().PID, Name: clean(snap.Stack), Dir: clean(snap.Dir)}
}
