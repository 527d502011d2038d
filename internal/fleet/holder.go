package fleet

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// Holder is the program that listens on a port.
type Holder struct {
	PID     int     // 0 when it belongs to somebody else and is not to be seen
	Command string  // as started, shortened
	Stack   Running // that it belongs to, where it is msctl or runs under it
}

// String says who it is: "process 4711 (python3 -m http.server 8080)".
func (h Holder) String() string {
	switch {
	case h.PID == 0:
		return "another program (of another user, or in a container)"
	case h.Command == "":
		return fmt.Sprintf("process %d", h.PID)
	}
	return fmt.Sprintf("process %d (%s)", h.PID, h.Command)
}

// marker is the variable that every process of a running stack carries.
const marker = "MSCTL_STACK_ID="

// portProbe finds out who has a port. The table of listeners is read once, and only when a port is taken.
type portProbe struct {
	id     string // of this stack
	listen func() map[int]int32
	owned  func(port int) bool // by a container of this stack
	stacks func() []Running
}

// PortOwner is the optional power of a driver to say that a port belongs to a unit of this stack that it
// runs already: a process of the engine holds it, which carries no mark.
type PortOwner interface {
	OwnsPort(ctx context.Context, port int) bool
}

func newPortProbe(ctx context.Context, o Options) *portProbe {
	p := &portProbe{id: o.ID, owned: func(int) bool { return false }}
	p.listen = sync.OnceValue(func() map[int]int32 { return listeningPIDs(ctx) })
	p.stacks = sync.OnceValue(func() []Running {
		if o.Running == nil {
			return nil
		}
		return o.Running(ctx)
	})
	if d, ok := o.Container.(PortOwner); ok {
		p.owned = func(port int) bool { return d.OwnsPort(ctx, port) }
	}
	return p
}

// free reports whether nobody listens on the port: it can be bound on both loopback addresses, and nobody
// answers there. Binding alone does not tell where a listener on all addresses lets another in.
func (p *portProbe) free(port int) bool {
	for _, host := range []string{loopback, "::1"} {
		at := net.JoinHostPort(host, strconv.Itoa(port))
		ln, err := net.Listen("tcp", at)
		if err != nil && (host == loopback || !unsupported(err)) {
			return false
		}
		if err == nil {
			ln.Close()
		}
		if c, err := net.DialTimeout("tcp", at, 200*time.Millisecond); err == nil {
			c.Close()
			return false
		}
	}
	return true
}

// open reports whether the port can be listened on now.
func (p *portProbe) open(port int) bool {
	ln, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return ln.Close() == nil
}

// unsupported reports a machine without that address, such as one without IPv6.
func unsupported(err error) bool {
	text := err.Error()
	return strings.Contains(text, "cannot assign requested address") || strings.Contains(text, "address family not supported")
}

// holder returns who listens on a port, and whether it is of this stack: left over by a supervisor that
// was killed, to be adopted or ended by the driver that runs its unit; or one that runs, and is only asked
// what it would start.
func (p *portProbe) holder(port int) (Holder, bool) {
	if p.owned(port) {
		return Holder{}, true
	}
	pid := p.listen()[port]
	if pid == 0 {
		return Holder{}, false
	}
	proc := &process.Process{Pid: pid}
	command, err := proc.Cmdline()
	if err != nil || command == "" {
		command, _ = proc.Name() // a name is better than nothing
	}
	environment, err := proc.Environ()
	ours := err == nil && p.id != "" && slices.Contains(environment, marker+p.id)
	h := Holder{PID: int(pid), Command: shorten(command, 80)}
	if !ours {
		h.Stack, _ = whose(p.stacks(), h.PID, markOf(environment))
		ours = p.id != "" && h.Stack.ID == p.id
	}
	return h, ours
}

// markOf returns the id of the stack whose marker is in an environment, or "".
func markOf(environment []string) string {
	for _, v := range environment {
		if id, ok := strings.CutPrefix(v, marker); ok {
			return id
		}
	}
	return ""
}

// listeningPIDs returns the process behind each listening TCP port.
func listeningPIDs(ctx context.Context) map[int]int32 {
	pids := map[int]int32{}
	conns, err := psnet.ConnectionsMaxWithoutUidsWithContext(ctx, "tcp", 0)
	if err != nil {
		return pids
	}
	for _, c := range conns {
		if port := int(c.Laddr.Port); c.Status == "LISTEN" && (pids[port] == 0 || pids[port] == int32(os.Getpid())) {
			pids[port] = c.Pid
		}
	}
	return pids
}

func shorten(s string, max int) string {
	if len(s) <= max {
		return s
	}
	return strings.ToValidUTF8(s[:max], "") + "…"
}
