package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/failpoint"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// Ports is the port of every listener by "owner/listen", the owner being a service, a replica or a server.
type Ports map[string]int

// of returns the ports of one owner by listen name.
func (p Ports) of(owner string) map[string]int {
	out := map[string]int{}
	for k, port := range p {
		if name, listen, _ := strings.Cut(k, "/"); name == owner {
			out[listen] = port
		}
	}
	return out
}

func key(owner, listen string) string { return owner + "/" + listen }

// Automatic ports lie below what Linux takes for the near end of outgoing connections, so that no
// connection holds one by chance.
const (
	firstPort = 20000
	lastPort  = 31999
)

// demand is one listener that needs a port.
type demand struct {
	key   string
	owner string // of the listener, for messages
	fixed int    // 0: any
	ours  bool   // msctl itself listens there, on 127.0.0.1 alone
	pos   stack.Pos
}

// demands lists every listener of what is picked.
func demands(o Options, p picked, fs facts) []demand {
	var all []demand
	for _, s := range resource.Servers(fs.choices) {
		for _, l := range s.Listens() {
			all = append(all, demand{key: key(s.Name, l.Name), owner: s.Name})
		}
	}
	for _, s := range p.Services {
		if fs.skip[s.Name] != "" {
			continue
		}
		for _, l := range s.Listen {
			all = append(all, demand{key: key(s.Name, l.Name), owner: s.Name, fixed: o.public(l.Port), pos: l.Pos})
			for replica := 1; (fs.shared(s) || fs.fronted(s, l)) && replica <= fs.count(s); replica++ {
				all = append(all, demand{key: key(backName(s.Name, replica), l.Name), owner: s.Name, fixed: back(s, l), pos: l.Pos})
			}
		}
	}
	for _, w := range ways(p, fs) {
		if w.From != "" && w.Direct == "" {
			all = append(all, demand{key: w.key(), owner: w.Name(), ours: true})
		}
	}
	if t := o.Stack.Telemetry; o.Telemetry && !t.Off {
		all = append(all, demand{key: otlpHTTP, owner: "telemetry", fixed: o.public(t.HTTP), pos: t.Pos},
			demand{key: otlpGRPC, owner: "telemetry", fixed: o.public(t.GRPC), pos: t.Pos})
	}
	return all
}

// public returns a fixed port, which a second copy of the stack cannot have too: 0 is any.
func (o Options) public(port int) int {
	if o.Isolated {
		return 0
	}
	return port
}

// PortTaken says that a fixed port belongs to another program.
type PortTaken struct {
	Service string
	Pos     stack.Pos
	Port    int
	Holder  Holder
}

func (e *PortTaken) Error() string {
	at := ""
	if e.Pos.Line > 0 {
		at = e.Pos.String() + ": "
	}
	if s := e.Holder.Stack; s.PID != 0 {
		return fmt.Sprintf("%sport %d of %s is held for stack %s in %s", at, e.Port, e.Service, s.Name, s.Dir)
	}
	return fmt.Sprintf("%sport %d of %s is taken by %s", at, e.Port, e.Service, e.Holder)
}

// Hint says what to do about it.
func (e *PortTaken) Hint() string {
	if e.Holder.Stack.PID != 0 {
		return "`msctl down` there, or `msctl up --isolated`"
	}
	return "end that program, write another port or `auto`, or run `msctl up --isolated`"
}

// portsFile keeps the ports of a stack in its state folder.
const portsFile = "ports.json"

// choosePorts gives every demand its port and keeps them in the state folder: a fixed one where it is
// free, else the one of the last time, else a free one that no other stack of this user has. Ports in own
// are held by the fleet itself.
func choosePorts(ctx context.Context, o Options, all []demand, own Ports) (Ports, error) {
	file := filepath.Join(o.StateDir, portsFile)
	last, err := readPorts(file)
	if err != nil {
		return nil, err
	}
	reg, err := openRegistry(o)
	if err != nil {
		return nil, err
	}
	defer reg.close()
	c := chooser{o: o, reg: reg, probe: newPortProbe(ctx, o), own: own, out: Ports{}, used: map[int]bool{}}
	if err := c.fix(all); err != nil {
		return nil, err
	}
	if err := c.choose(all, last); err != nil {
		return nil, err
	}
	for k, port := range last { // what is not run now keeps its port for the next time
		if _, there := c.out[k]; !there && !c.used[port] && !gone(o.Stack, k) {
			last[k] = port
		} else {
			delete(last, k)
		}
	}
	for k, port := range c.out {
		last[k] = port
	}
	if err := reg.save(c.out); err != nil {
		return nil, err
	}
	return c.out, writePorts(file, last)
}

// gone reports the port of an edge that the stack no longer has.
func gone(st *stack.Stack, key string) bool {
	rest, edge := strings.CutPrefix(key, edgePrefix)
	name, _, _ := strings.Cut(rest, "/")
	return edge && !slices.ContainsFunc(st.Edges, func(e stack.Edge) bool { return e.From+":"+e.To == name })
}

// chooser gives out ports.
type chooser struct {
	o     Options
	reg   *registry
	probe *portProbe
	own   Ports
	out   Ports
	used  map[int]bool
}

// fix takes the fixed ports first, so that no automatic one gets in their way, and names every one that
// is taken.
func (c *chooser) fix(all []demand) error {
	var errs []error
	for _, d := range all {
		if d.fixed == 0 {
			continue
		}
		if !c.held(d.fixed) && !c.probe.free(d.fixed) {
			if h, ours := c.probe.holder(d.fixed); !ours {
				errs = append(errs, &PortTaken{Service: d.owner, Pos: d.pos, Port: d.fixed, Holder: h})
			}
		}
		c.take(d.key, d.fixed)
	}
	return errors.Join(errs...)
}

// choose gives the automatic ports: in a first round those of the last time.
func (c *chooser) choose(all []demand, last Ports) error {
	for _, d := range all {
		if port := last[d.key]; d.fixed == 0 && automatic(port) && c.may(port, d.ours) {
			c.take(d.key, port)
		}
	}
	for _, d := range all {
		if c.out[d.key] != 0 {
			continue
		}
		port, ok := c.search(d)
		if !ok {
			return fmt.Errorf("choose port of %s: none is free between %d and %d", d.owner, firstPort, lastPort)
		}
		c.take(d.key, port)
	}
	return nil
}

// search looks for a free port from a place that depends on the stack and the listener, so that a lost
// ports.json brings the same ports back.
func (c *chooser) search(d demand) (int, bool) {
	const span = lastPort - firstPort + 1
	h := fnv.New32a()
	h.Write([]byte(c.o.StateDir + " " + d.key))
	start := int(h.Sum32() % span)
	for i := range span {
		if port := firstPort + (start+i)%span; c.may(port, d.ours) {
			return port, true
		}
	}
	return 0, false
}

func automatic(port int) bool { return port >= firstPort && port <= lastPort }

// may reports whether this stack can have the port. Where msctl itself will listen it is enough to try:
// edges are many, and a look at every address takes its time.
func (c *chooser) may(port int, ours bool) bool {
	if c.used[port] || c.reg.others[port] {
		return false
	}
	if c.held(port) || ours && c.probe.open(port) || !ours && c.probe.free(port) {
		return true
	}
	_, mine := c.probe.holder(port)
	return mine
}

// held reports whether the running fleet has the port already.
func (c *chooser) held(port int) bool {
	for _, p := range c.own {
		if p == port {
			return true
		}
	}
	return false
}

func (c *chooser) take(key string, port int) {
	c.out[key] = port
	c.used[port] = true
}

// readPorts returns the ports of the last time. What is damaged is forgotten: new ones will be chosen. A file
// that is there and cannot be read now is an error, since writing it would lose what it says.
func readPorts(file string) (Ports, error) {
	ports := Ports{}
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read ports: %w", err)
	}
	if json.Unmarshal(b, &ports) != nil || ports == nil {
		return Ports{}, nil
	}
	return ports, nil
}

func writePorts(file string, ports Ports) error {
	b, err := json.MarshalIndent(ports, "", "  ")
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(file); err == nil && slices.Equal(old, b) {
		return nil
	}
	if err := replaceFile(file, b); err != nil {
		return fmt.Errorf("keep ports: %w", err)
	}
	return nil
}

// replaceFile writes a whole file at once, readable by its owner alone.
func replaceFile(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	failpoint.Hit("temp-made")
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	failpoint.Hit("temp-written")
	if err := os.Rename(tmp.Name(), file); err != nil {
		return err
	}
	failpoint.Hit("renamed")
	return nil
}
