// Package container runs units in containers: created, started and terminated through testcontainers-go,
// and watched, logged, measured and swept through the engine's own client. The two libraries' types do not
// mix, so containers are found by label.
package container

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/singleflight"

	"msctl.dev/msctl/internal/driver"
)

// Driver runs units whose Image is set. Use one per stack, by pointer; it is safe for concurrent use.
// It keeps one connection pool to the engine, opened by the first call that needs it.
type Driver struct {
	Stack       string        // id of the stack; the value of the label that everything carries
	Host        string        // engine to use; "" finds one as [Ping] does
	ImagePrefix string        // "local/" runs local/postgres:15 for postgres:15; "" runs what units name
	Reaper      []string      // argv of a program that calls [ReapMain]; needed for ephemeral units only
	PullTimeout time.Duration // for one image; 0 means 15 min
	Patience    time.Duration // how long an engine that answered before may be away; 0 means 2 min

	link    atomic.Pointer[link]
	dialing singleflight.Group
	naming  sync.Once
	run     string // names this supervisor on what ends with it

	mu  sync.Mutex        // guards ids
	ids map[string]string // container of each running unit

	reaping sync.Mutex // guards reap and reapN
	reap    *reaper
	reapN   int // ephemeral units that run now
}

var (
	_ driver.Driver   = (*Driver)(nil)
	_ driver.Sampler  = (*Driver)(nil)
	_ driver.Sweeper  = (*Driver)(nil)
	_ driver.Executor = (*Driver)(nil)
)

// link is a connection to an engine, by both libraries; the second is made when something is created.
type link struct {
	host     string
	cli      *client.Client
	provider func() (*testcontainers.DockerProvider, error)
}

// engine returns the connection. An engine that never answered is an error at once; one that did is waited
// for, up to Patience: it is being restarted.
func (d *Driver) engine(ctx context.Context) (*link, error) {
	if l := d.link.Load(); l != nil {
		return l, d.await(ctx, l)
	}
	got := d.dialing.DoChan("", func() (any, error) { return d.connect(context.WithoutCancel(ctx)) })
	select {
	case r := <-got:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*link), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *Driver) connect(ctx context.Context) (*link, error) {
	if l := d.link.Load(); l != nil {
		return l, nil
	}
	cli, host, err := dial(ctx, d.Host)
	if err != nil {
		return nil, err
	}
	l := &link{host: host, cli: cli, provider: sync.OnceValues(func() (*testcontainers.DockerProvider, error) {
		return provider(host)
	})}
	d.link.Store(l)
	return l, nil
}

// patience is how long an engine that answered before may be away.
func (d *Driver) patience() time.Duration {
	if d.Patience == 0 {
		return 2 * time.Minute
	}
	return d.Patience
}

// await blocks until the engine answers, asking four times a second.
func (d *Driver) await(ctx context.Context, l *link) error {
	end := time.Now().Add(d.patience())
	for {
		asking, cancel := context.WithTimeout(ctx, pingTimeout)
		err := ping(asking, l.cli)
		cancel()
		if err == nil || time.Now().After(end) {
			return err
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// pause waits d, or less when ctx ends, and returns its error then.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Driver) setID(unit, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ids == nil {
		d.ids = map[string]string{}
	}
	d.ids[unit] = id
}

// dropID forgets the container of unit, unless another one took its place.
func (d *Driver) dropID(unit, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ids[unit] == id {
		delete(d.ids, unit)
	}
}

// id returns the container that runs unit: known, or else found by label.
func (d *Driver) id(ctx context.Context, l *link, unit string) (string, error) {
	d.mu.Lock()
	id := d.ids[unit]
	d.mu.Unlock()
	if id != "" {
		return id, nil
	}
	found, err := d.find(ctx, l, unit)
	if err != nil {
		return "", err
	}
	for _, c := range found {
		if c.State == "running" || c.State == "paused" {
			return c.ID, nil
		}
	}
	return "", fmt.Errorf("find container of %s: it does not run", unit)
}
