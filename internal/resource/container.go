package resource

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// Container is any image: what the other kinds do not cover. The resource says the ports inside it and
// the folders that are kept.
var Container = &Kind{
	Name: "container",
	Doc:  "any image, with the ports and folders that the resource names",
	Recipes: []*Recipe{{
		Name: "container", Runtime: InEngine,
		listens: func(c Choice) []stack.Listen { return c.Resource.Listen },
		unit:    containerUnit, ready: containerReady, endpoint: containerEndpoint, check: containerCheck,
	}},
}

func containerCheck(r *stack.Resource) (mistake, hint string) {
	switch {
	case r.Image == "":
		return fmt.Sprintf("resource %q has no image", r.Name), "image: NAME:TAG"
	case r.Health != nil && (r.Health.Log != "" || len(r.Health.Exec) > 0 || r.Health.GRPC != ""):
		return fmt.Sprintf("resource %q: its health is asked from outside", r.Name), "health: {http: /path} or health: {tcp: LISTEN}"
	}
	for _, l := range r.Listen {
		if l.Port == 0 {
			return fmt.Sprintf("resource %q: listen %q needs the port inside the container", r.Name, l.Name), l.Name + ": 8080"
		}
	}
	return "", ""
}

func containerUnit(at site) (driver.Unit, error) {
	r := at.choice().Resource
	u := driver.Unit{Image: at.choice().Image, Argv: r.Command}
	vars := at.Env
	if vars == nil {
		vars = r.Env
	}
	for _, v := range vars {
		u.Env = append(u.Env, v.Name+"="+v.Value)
	}
	for _, folder := range r.Volumes {
		id := sha256.Sum256([]byte(folder))
		u.Mounts = append(u.Mounts, driver.Mount{Source: at.volume() + "-" + hex.EncodeToString(id[:3]), Target: folder})
	}
	return u, nil
}

func containerEndpoint(at site, _ Choice) Endpoint {
	scheme := "tcp"
	if l := at.Listens(); len(l) > 0 && (l[0].Name == "http" || l[0].Name == "https") {
		scheme = l[0].Name
	}
	return Endpoint{URL: scheme + "://" + at.addr(), Host: host, Port: at.port()}
}

func containerReady(ctx context.Context, at site) error {
	probe := at.choice().Resource.Health
	switch {
	case len(at.Listens()) == 0:
		return nil
	case probe == nil:
		return accepts(ctx, at.addr())
	case probe.HTTP != "":
		return answersHTTP(ctx, address(at.portOf(probe.Port, "http")), probe.HTTP)
	}
	return accepts(ctx, address(at.portOf(probe.TCP)))
}

// portOf is the first of the named ports that there is, or the main one.
func (at site) portOf(names ...string) int {
	for _, n := range names {
		if p := at.Ports[n]; p != 0 {
			return p
		}
	}
	return at.port()
}

// accepts reports that a server took the connection. The engine's own proxy accepts for every container
// and hangs up when nobody listens inside: a connection that stays open, or speaks, is the server's.
func accepts(ctx context.Context, addr string) error {
	c, err := quick.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		return err
	}
	if _, err = c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("nobody listens behind %s: %w", addr, err)
}

func answersHTTP(ctx context.Context, addr, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s answered %s", path, resp.Status)
	}
	return nil
}
