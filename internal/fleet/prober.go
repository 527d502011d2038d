package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
	"msctl.dev/msctl/internal/resource"
)

// maxBody is how much of an answer a probe reads.
const maxBody = 64 << 10

// prober returns what asks whether one run of a step is ready, or nil when there is nothing to ask.
func (f *Fleet) prober(u *unit, st *Step, s driver.Started) prober {
	if f.o.probe != nil {
		return f.o.probe(st)
	}
	watch := func(port int) waiter { return f.listening.waiter(port, st.Unit.Image == "" || st.Unit.HostNetwork) }
	if st.server != nil {
		return &serverProbe{waiter: watch(firstHost(st)), server: st.server, place: st.place}
	}
	p := st.Probe
	switch {
	case f.mute(st):
		return nil
	case p == nil:
		return newTCPProbe(watch, st.Unit.Ports)
	case p.HTTP != "":
		port := st.port(p.Port, "http")
		return newHTTPProbe(watch(port), "http://"+addr(port)+"/"+strings.TrimPrefix(p.HTTP, "/"))
	case p.TCP != "":
		return newTCPProbe(watch, []driver.Port{{Name: p.TCP, Host: st.port(p.TCP, p.TCP)}})
	case p.GRPC != "":
		port := st.port(p.Port, "grpc")
		return &grpcProbe{waiter: watch(port), addr: addr(port), service: strings.TrimPrefix(p.GRPC, "-")}
	case p.Log != "":
		return newLogProbe(&f.logs, f.logDir(st.Name), p.Log, s.After)
	}
	return &execProbe{f: f, unit: f.resolve(st), argv: p.Exec, container: s.Container != ""}
}

// port returns the port of the listener of that name, of the usual one where none is named, or of the first.
func (st *Step) port(name, usual string) int {
	if name == "" {
		name = usual
	}
	for _, p := range st.Unit.Ports {
		if p.Name == name {
			return p.Host
		}
	}
	return firstHost(st)
}

func firstHost(st *Step) int {
	if len(st.Unit.Ports) == 0 {
		return 0
	}
	return st.Unit.Ports[0].Host
}

// waiter is the pause of a probe of something that listens.
type waiter struct {
	l       *listeners
	port    int  // 0: there is no sign to wait for
	refused bool // the last try found nobody who listens
}

func (w *waiter) pause(ctx context.Context, d time.Duration) bool {
	if w.port == 0 {
		return sleep(ctx, d)
	}
	return w.l.await(ctx, w.port, d, !w.refused)
}

// tcpProbe asks whether ports accept.
type tcpProbe struct {
	waiter
	ports []driver.Port
}

func newTCPProbe(watch func(int) waiter, ports []driver.Port) *tcpProbe {
	p := &tcpProbe{ports: ports}
	if len(ports) == 1 {
		p.waiter = watch(ports[0].Host)
	}
	return p
}

func (p *tcpProbe) close() {}

func (p *tcpProbe) try(ctx context.Context) error {
	for _, port := range p.ports {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr(port.Host))
		if p.refused = err != nil; p.refused {
			return fmt.Errorf("nothing listens on port %s (%s)", port.Name, addr(port.Host))
		}
		c.Close()
	}
	return nil
}

// httpProbe asks for a page, over one connection that it keeps.
type httpProbe struct {
	waiter
	url    string
	client *http.Client
}

// maxRedirects is how many redirects a probe follows: enough for a slash, too few for a loop.
const maxRedirects = 3

func newHTTPProbe(w waiter, url string) *httpProbe {
	return &httpProbe{waiter: w, url: url, client: &http.Client{
		Transport: &http.Transport{
			Proxy: nil, MaxIdleConns: 1, MaxResponseHeaderBytes: maxBody, IdleConnTimeout: 30 * time.Second,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a redirect to a developer's own certificate
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("it redirects in circles")
			}
			return nil
		},
	}}
}

func (p *httpProbe) close() { p.client.CloseIdleConnections() }

func (p *httpProbe) try(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "msctl-probe")
	res, err := p.client.Do(req)
	p.refused = undialled(err)
	if p.refused {
		return fmt.Errorf("nothing listens on %s", req.URL.Host)
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if res.StatusCode >= 200 && res.StatusCode < 400 {
		return nil // the answer is in the status; a body without end says no more
	}
	if err != nil {
		return fmt.Errorf("GET %s answers %s", p.url, res.Status)
	}
	return fmt.Errorf("GET %s answers %s%s", p.url, res.Status, excerpt(body))
}

// excerpt returns the beginning of an answer's first line, safe to print.
func excerpt(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	if len(line) == 0 {
		return ""
	}
	return ": " + output.Plain([]byte(shorten(string(line), 120)))
}

// undialled reports an error of connecting, not of what came after.
func undialled(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// grpcProbe asks the standard health service.
type grpcProbe struct {
	waiter
	addr, service string
	conn          *grpc.ClientConn
}

func (p *grpcProbe) close() {
	if p.conn != nil {
		p.conn.Close()
	}
}

func (p *grpcProbe) try(ctx context.Context) error {
	// its own dialer would wait longer and longer between attempts, so one goes ahead
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	if p.refused = err != nil; p.refused {
		return fmt.Errorf("nothing listens on %s", p.addr)
	}
	c.Close()
	if p.conn == nil {
		p.conn, err = grpc.NewClient("passthrough:///"+p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxBody)), grpc.WithNoProxy())
		if err != nil {
			return err
		}
	}
	p.conn.ResetConnectBackoff()
	res, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: p.service})
	if err != nil {
		return fmt.Errorf("ask gRPC health of %s: %w", p.addr, err)
	}
	if res.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("gRPC health of %s says %s", p.addr, res.Status)
	}
	return nil
}

// logProbe waits for a line of output. It has no second answer: once seen, it stays ready.
type logProbe struct {
	pattern string
	seen    chan struct{} // closed at the first match
	stop    context.CancelFunc
	ended   chan struct{}
}

// errSeen ends the following of a log.
var errSeen = errors.New("seen")

func newLogProbe(logs *output.Hub, dir, pattern string, after uint64) *logProbe {
	ctx, stop := context.WithCancel(context.Background())
	p := &logProbe{pattern: pattern, seen: make(chan struct{}), stop: stop, ended: make(chan struct{})}
	re, err := regexp.Compile(pattern)
	if err != nil { // Load has checked it
		re = regexp.MustCompile(regexp.QuoteMeta(pattern))
	}
	go func() {
		defer close(p.ended)
		err := logs.Follow(ctx, dir, output.Query{FromSeq: after + 1}, func(lines []output.Line) error {
			for _, l := range lines {
				if l.Stream != output.Note && re.Match(l.Text) {
					return errSeen
				}
			}
			return nil
		})
		if errors.Is(err, errSeen) {
			close(p.seen)
		}
	}()
	return p
}

func (p *logProbe) close() {
	p.stop()
	<-p.ended
}

func (p *logProbe) try(context.Context) error {
	if closed(p.seen) {
		return nil
	}
	return fmt.Errorf("no line matches %s", p.pattern)
}

// pause ends the moment the line is seen.
func (p *logProbe) pause(ctx context.Context, _ time.Duration) bool {
	t := time.NewTimer(slowest)
	defer t.Stop()
	select {
	case <-p.seen:
		return true
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// execProbe runs a command that must exit with 0, in the unit's container where it has one.
type execProbe struct {
	f         *Fleet
	unit      driver.Unit
	argv      []string
	container bool
}

func (p *execProbe) close() {}

func (p *execProbe) pause(ctx context.Context, d time.Duration) bool {
	return sleep(ctx, max(d, 10*time.Millisecond)) // a process is not free
}

func (p *execProbe) try(ctx context.Context) error {
	var out tailWriter
	if p.container {
		return p.inside(ctx, &out)
	}
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.unit.Dir, p.unit.Env, &out, &out
	politely(cmd)
	cmd.WaitDelay = 100 * time.Millisecond
	return p.verdict(cmd.Run(), &out)
}

func (p *execProbe) inside(ctx context.Context, out *tailWriter) error {
	x, ok := p.f.o.Container.(driver.Executor)
	if !ok {
		return errors.New("the container engine cannot run commands")
	}
	code, err := x.Exec(ctx, p.unit.Name, p.argv, driver.Stdio{Out: out, Err: out})
	if err == nil && code != 0 {
		err = fmt.Errorf("exit status %d", code)
	}
	return p.verdict(err, out)
}

func (p *execProbe) verdict(err error, out *tailWriter) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("run %s: %w%s", p.argv[0], err, excerpt(out.b))
}

// serverProbe speaks a backing server's own protocol.
type serverProbe struct {
	waiter
	server *resource.Server
	place  resource.Place
}

func (p *serverProbe) close() {}

func (p *serverProbe) try(ctx context.Context) error { return p.server.Ready(ctx, p.place) }
