package container

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"
)

// find lists the containers of one unit, running or not, newest first.
func (d *Driver) find(ctx context.Context, l *link, unit string) ([]container.Summary, error) {
	return list(ctx, l.cli, d.Stack, labelUnit+"="+unit)
}

func list(ctx context.Context, cli *client.Client, stack string, more ...string) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := cli.ContainerList(ctx, container.ListOptions{All: true, Filters: byStack(stack, more...)})
	if err != nil {
		return nil, fmt.Errorf("list containers: %s", oneLine(err))
	}
	return found, nil
}

// Sweep ends and removes every container and network of the stack, politely first, and its volumes where
// asked, by their labels alone. It returns how many it removed, and all that went wrong.
func (d *Driver) Sweep(ctx context.Context, volumes bool) (int, error) {
	l, err := d.engine(ctx)
	if err != nil {
		return 0, fmt.Errorf("sweep containers: %w", err)
	}
	n, err := sweepContainers(ctx, l.cli, d.Stack)
	nets, netErr := sweepNetworks(ctx, l.cli, d.Stack)
	if !volumes {
		return n + nets, errors.Join(err, netErr)
	}
	vols, volErr := sweepVolumes(ctx, l.cli, d.Stack)
	return n + nets + vols, errors.Join(err, netErr, volErr)
}

// Prune implements [driver.Pruner].
func (d *Driver) Prune(ctx context.Context, keep []string) (int, error) {
	l, err := d.engine(ctx)
	if err != nil {
		return 0, fmt.Errorf("prune containers: %w", err)
	}
	found, err := list(ctx, l.cli, d.Stack)
	if err != nil {
		return 0, fmt.Errorf("prune containers: %w", err)
	}
	return endAll(ctx, l.cli, slices.DeleteFunc(found, func(c container.Summary) bool {
		return slices.Contains(keep, c.Labels[labelUnit])
	}))
}

// sweepContainers ends all containers with the stack's label and the further ones.
func sweepContainers(ctx context.Context, cli *client.Client, stack string, more ...string) (int, error) {
	found, err := list(ctx, cli, stack, more...)
	if err != nil {
		return 0, err
	}
	return endAll(ctx, cli, found)
}

// endAll ends and removes containers, all at the same time, and returns how many it removed.
func endAll(ctx context.Context, cli *client.Client, found []container.Summary) (int, error) {
	var n atomic.Int64
	var g errgroup.Group
	for _, c := range found {
		g.Go(func() error {
			err := errors.Join(end(ctx, cli, c.ID, c.Labels), remove(ctx, cli, c.ID))
			if err == nil {
				n.Add(1)
			}
			return err
		})
	}
	err := g.Wait()
	return int(n.Load()), err
}

func sweepNetworks(ctx context.Context, cli *client.Client, stack string) (int, error) {
	found, err := cli.NetworkList(ctx, network.ListOptions{Filters: byStack(stack)})
	if err != nil {
		return 0, fmt.Errorf("list networks: %s", oneLine(err))
	}
	n := 0
	for _, one := range found {
		if e := cli.NetworkRemove(ctx, one.ID); e != nil && !errdefs.IsNotFound(e) {
			err = errors.Join(err, fmt.Errorf("remove network %s: %s", one.Name, oneLine(e)))
			continue
		}
		n++
	}
	return n, err
}

func sweepVolumes(ctx context.Context, cli *client.Client, stack string) (int, error) {
	found, err := cli.VolumeList(ctx, volume.ListOptions{Filters: byStack(stack)})
	if err != nil {
		return 0, fmt.Errorf("list volumes: %s", oneLine(err))
	}
	n := 0
	for _, v := range found.Volumes {
		if e := cli.VolumeRemove(ctx, v.Name, true); e != nil && !errdefs.IsNotFound(e) {
			err = errors.Join(err, fmt.Errorf("remove volume %s: %s", v.Name, oneLine(e)))
			continue
		}
		n++
	}
	return n, err
}
