package resource

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// Server is one backing server and the resources that live on it.
type Server struct {
	Name    string   // unique among the services, resources and servers of the stack
	Choices []Choice // at least one; all of one recipe and image
}

// Servers groups choices by the server that they share, in the order of the file. Resources that are
// files have none.
func Servers(cs []Choice) []Server {
	var all []Server
	for _, c := range cs {
		if c.Server == "" {
			continue
		}
		i := slices.IndexFunc(all, func(s Server) bool { return s.Name == c.Server })
		if i < 0 {
			all = append(all, Server{Name: c.Server, Choices: []Choice{c}})
			continue
		}
		all[i].Choices = append(all[i].Choices, c)
	}
	return all
}

// Recipe is how the server is run.
func (s Server) Recipe() *Recipe { return s.Choices[0].Recipe }

// Listens is the ports that the server needs on 127.0.0.1, by name, the main one first. Port is the one
// inside a container, 0 for a process.
func (s Server) Listens() []stack.Listen {
	c := s.Choices[0]
	if c.Recipe.listens != nil {
		return slices.Clone(c.Recipe.listens(c))
	}
	return slices.Clone(c.Recipe.Listens)
}

// Setup makes the server's data folder and config files. It runs before each start, and is safe to run
// again after a crash half way.
func (s Server) Setup(ctx context.Context, p Place) error {
	at := site{s, p}
	if err := at.makeFolder(); err != nil {
		return fmt.Errorf("set up %s: %w", s.Name, err)
	}
	if f := s.Recipe().setup; f != nil {
		if err := f(ctx, at); err != nil {
			return fmt.Errorf("set up %s: %w", s.Name, err)
		}
	}
	return nil
}

// Unit is the server as a thing to run.
func (s Server) Unit(p Place) (driver.Unit, error) {
	at := site{s, p}
	for _, l := range s.Listens() {
		if p.Ports[l.Name] == 0 {
			return driver.Unit{}, fmt.Errorf("run %s: no port for %q", s.Name, l.Name)
		}
	}
	u, err := s.Recipe().unit(at)
	if err != nil {
		return driver.Unit{}, fmt.Errorf("run %s: %w", s.Name, err)
	}
	u.Name, u.LogDir = s.Name, p.LogDir
	for _, l := range s.Listens() {
		port := driver.Port{Name: l.Name, Host: p.Ports[l.Name]}
		if u.Image != "" {
			port.Inside = l.Port
		}
		u.Ports = append(u.Ports, port)
	}
	return u, nil
}

// Ready tries once whether the server answers in its own protocol.
func (s Server) Ready(ctx context.Context, p Place) error {
	if err := s.Recipe().ready(ctx, site{s, p}); err != nil {
		return fmt.Errorf("ask %s: %w", s.Name, err)
	}
	return nil
}

// Prepare makes the database, user or virtual host of one resource on the ready server. Doing it again
// changes nothing.
func (s Server) Prepare(ctx context.Context, p Place, c Choice) error {
	f := s.Recipe().prepare
	if f == nil {
		return nil
	}
	if err := f(ctx, site{s, p}, c); err != nil {
		return fmt.Errorf("prepare %s: %w", c.Resource.Name, err)
	}
	return nil
}

// Setup makes the folder of a resource that is a file. One that lives on a server needs nothing.
func (c Choice) Setup(p Place) error {
	if !c.Recipe.InFile {
		return nil
	}
	return makePrivate(p.DataDir)
}

// Endpoint is what the resource's users are given. p is the place of its server; for a file, its DataDir
// is the folder that holds it.
func (c Choice) Endpoint(p Place) Endpoint {
	return c.Recipe.endpoint(site{Server{Name: c.Server, Choices: []Choice{c}}, p}, c)
}

// site is a server at its place: what every function of a recipe works on.
type site struct {
	Server
	Place
}

// choice is the first of the server's: what it has of the machine is the same for all.
func (at site) choice() Choice { return at.Choices[0] }

// program returns the path of a native program.
func (at site) program(name string) string { return at.choice().Programs[name] }

// folder is where the recipe keeps its files: each runtime has its own, for none reads another's.
func (at site) folder() string { return filepath.Join(at.DataDir, string(at.Recipe().Runtime)) }

// port returns the main port, or 0 where the place has none yet.
func (at site) port() int {
	if l := at.Listens(); len(l) > 0 {
		return at.Ports[l[0].Name]
	}
	return 0
}

// addr returns 127.0.0.1 and the main port.
func (at site) addr() string { return address(at.port()) }

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

const host = "127.0.0.1"
