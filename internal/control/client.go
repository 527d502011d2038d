package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"

	"msctl.dev/msctl/internal/state"
)

// Client asks the fleet behind one socket. It is safe for use by several goroutines.
type Client struct {
	info Info
	http *http.Client
}

// Dial connects to the fleet at path and checks that both speak one protocol. The error is
// ErrNotRunning where nobody listens, ErrNotAnswering after [Answer], ErrProtocol, or ErrUnsafe.
// Close ends its connections.
func Dial(ctx context.Context, path string) (*Client, error) {
	if err := checkSocket(path); err != nil {
		return nil, err
	}
	c := &Client{http: &http.Client{Transport: &http.Transport{
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return connect(ctx, path)
		},
	}}}
	if err := c.quick(ctx, "/v1/info", &c.info); err != nil {
		c.Close()
		if pid := Owner(ctx, path); pid > 0 && errors.Is(err, ErrNotAnswering) {
			err = fmt.Errorf("msctl (pid %d) is %w", pid, ErrNotAnswering)
		}
		return nil, err
	}
	if c.info.Protocol != Protocol {
		c.Close()
		return nil, fmt.Errorf("the running msctl %s %w: it has %d, this one %d",
			c.info.Version, ErrProtocol, c.info.Protocol, Protocol)
	}
	return c, nil
}

// Owner returns the process that listens at path, answering or not, or 0.
func Owner(ctx context.Context, path string) int {
	c, err := connect(ctx, path)
	if err != nil {
		return 0
	}
	defer c.Close()
	cred, err := peer(c)
	if err != nil {
		return 0
	}
	return cred.pid
}

func connect(ctx context.Context, path string) (net.Conn, error) {
	d := net.Dialer{Timeout: Answer}
	conn, err := d.DialContext(ctx, "unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return nil, ErrNotRunning
	}
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, ErrNotAnswering // its backlog is full
	}
	if err != nil {
		return nil, err
	}
	if cred, err := peer(conn); err != nil || cred.uid != os.Getuid() {
		conn.Close()
		return nil, fmt.Errorf("use %s: %w: another user listens", path, ErrUnsafe)
	}
	return conn, nil
}

// Close ends the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Info says who answers.
func (c *Client) Info() Info { return c.info }

// Snapshot returns the fleet as it is now.
func (c *Client) Snapshot(ctx context.Context) (state.Snapshot, error) {
	var snap state.Snapshot
	err := c.quick(ctx, "/v1/snapshot", &snap)
	return snap, err
}

// Environment returns what the unit runs with.
func (c *Client) Environment(ctx context.Context, unit string) (state.Environment, error) {
	var env state.Environment
	err := c.quick(ctx, "/v1/environment?unit="+url.QueryEscape(unit), &env)
	return env, err
}

// Follow calls fn for every event after that sequence number until ctx ends, fn returns an error, or
// the fleet ends (then the error is nil).
func (c *Client) Follow(ctx context.Context, after uint64, fn func(state.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.do(ctx, "GET", "/v1/events?after="+strconv.FormatUint(after, 10), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	d := json.NewDecoder(bufio.NewReaderSize(res.Body, 64<<10))
	for {
		var ev state.Event
		if err := d.Decode(&ev); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return nil
		}
		if err := fn(ev); err != nil {
			return err
		}
	}
}

// Start starts units with what they need, and waits until they run or one fails.
func (c *Client) Start(ctx context.Context, names []string) error {
	return c.post(ctx, "/v1/start", namesRequest{names}, nil)
}

// Stop stops units.
func (c *Client) Stop(ctx context.Context, names []string) error {
	return c.post(ctx, "/v1/stop", namesRequest{names}, nil)
}

// Restart restarts units.
func (c *Client) Restart(ctx context.Context, names []string) error {
	return c.post(ctx, "/v1/restart", namesRequest{names}, nil)
}

// Scale sets how many replicas of a service run.
func (c *Client) Scale(ctx context.Context, service string, n int) error {
	return c.post(ctx, "/v1/scale", scaleRequest{service, n}, nil)
}

// Reload reads stack.yaml again and changes what changed.
func (c *Client) Reload(ctx context.Context) error {
	return c.post(ctx, "/v1/reload", struct{}{}, nil)
}

// Down ends the fleet and returns when it has ended. volumes also drops its data.
func (c *Client) Down(ctx context.Context, volumes bool) (Ended, error) {
	var e Ended
	err := c.post(ctx, "/v1/down", downRequest{volumes}, &e)
	return e, err
}

// quick asks for what needs no work, so it is given [Answer] and no more.
func (c *Client) quick(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Answer, ErrNotAnswering)
	defer cancel()
	return c.call(ctx, "GET", path, nil, into)
}

func (c *Client) post(ctx context.Context, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.call(ctx, "POST", path, data, into)
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, into any) error {
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, res.Body)
	} else {
		err = json.NewDecoder(res.Body).Decode(into)
	}
	if err != nil {
		return fmt.Errorf("read answer: %w", lost(ctx, err))
	}
	return nil
}

// do sends one request, with header fields by name and value, and returns its answer, or the refusal in it as an error.
func (c *Client) do(ctx context.Context, method, path string, body []byte, fields ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://msctl"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for ; len(fields) > 1; fields = fields[2:] {
		req.Header.Set(fields[0], fields[1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, lost(ctx, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	refusal := &Refusal{Status: res.StatusCode}
	if json.NewDecoder(res.Body).Decode(refusal) != nil || refusal.Text == "" {
		refusal.Text = "answered " + res.Status
	}
	return nil, refusal
}

// lost names why a connection gave no answer: the caller's own end, or the server's.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return ErrNotRunning
	}
	return err
}
