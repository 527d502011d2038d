package kit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// callTimeout bounds a call whose caller set no earlier deadline, retries and body included.
const callTimeout = 5 * time.Second

// Client calls one other service. It is safe for concurrent use.
type Client struct {
	Base *url.URL
	// Transport retries what is idempotent within a budget, breaks the circuit to a service that
	// keeps failing, and hands on trace, correlation id and deadline. A reverse proxy may use it.
	Transport http.RoundTripper
	// Prepare, if set, completes each request of [Client.JSON]: with who asks, for one.
	Prepare func(*http.Request)

	service string
	http    *http.Client
	circuit *Circuit
}

// Client makes a client of the service by its name in stack.yaml: "users" is at USERS_URL.
func (a *App) Client(service string) (*Client, error) {
	raw, err := a.Env.URL(service)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(raw)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("read URL of %s: %q is not an http address", service, raw)
	}
	return a.newClient(service, base), nil
}

func (a *App) newClient(service string, base *url.URL) *Client {
	var wire http.RoundTripper = &http.Transport{
		DialContext:           (&net.Dialer{Timeout: time.Second}).DialContext,
		ResponseHeaderTimeout: cmp.Or(a.Patience, 4*time.Second),
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       30 * time.Second,
	}
	if a.Traced {
		wire = otelhttp.NewTransport(wire)
	} else {
		wire = propagator{wire}
	}
	c := NewCircuit(service, a.Log)
	c.Off = func() bool { return !a.On("breaker") }
	t := newResilient(c, headers{wire})
	t.off = func() bool { return !a.On("retry") }
	return &Client{Base: base, Transport: t, service: service, circuit: c,
		http: &http.Client{Transport: t, CheckRedirect: noRedirect}}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Open reports whether the circuit to the service is open: calls fail at once.
func (c *Client) Open() bool { return c.circuit.Open() }

// JSON calls method on path with in as the body (nil: none) and decodes the answer into out (nil:
// dropped). An answer of 4xx is a *[Problem]; any other failure is an error that becomes 502, 503
// or 504 when a handler returns it.
func (c *Client) JSON(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.Failed(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return c.refused(resp)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 8<<20)).Decode(out); err != nil {
		return c.Failed(fmt.Errorf("read answer: %w", err))
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	target := strings.TrimRight(c.Base.String(), "/") + path
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode call of %s: %w", c.service, err)
		}
		body = bytes.NewReader(data) // net/http keeps it for a retry
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", c.service, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Prepare != nil {
		c.Prepare(req)
	}
	return req, nil
}

// Failed returns what a client is told when a call through Transport ended in err.
func (c *Client) Failed(err error) error {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return err
	}
	if called := (*url.Error)(nil); errors.As(err, &called) {
		err = called.Err // the address is no business of who reads this
	}
	if errors.Is(err, circuitbreaker.ErrOpen) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("call %s: %w", c.service, err)
	}
	return errors.Join(Errorf(http.StatusBadGateway, "bad-gateway", "%s does not answer", c.service),
		fmt.Errorf("call %s: %w", c.service, err))
}

func (c *Client) refused(resp *http.Response) error {
	p := &Problem{}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // half a problem is none
	if json.Unmarshal(data, p) != nil || p.Code == "" {
		p = Errorf(resp.StatusCode, "refused", "%s answered %d", c.service, resp.StatusCode)
	}
	if resp.StatusCode >= 500 || resp.StatusCode < 400 {
		return Errorf(http.StatusBadGateway, "bad-gateway", "%s answered %d: %s",
			c.service, resp.StatusCode, p.Detail)
	}
	p.Status = resp.StatusCode
	return p
}

// headers hands on the correlation id and the time that is left.
type headers struct{ next http.RoundTripper }

func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if id := Correlation(r.Context()); id != "" {
		r.Header.Set(CorrelationHeader, id)
	}
	if deadline, ok := r.Context().Deadline(); ok {
		left := max(1, time.Until(deadline).Milliseconds())
		r.Header.Set(TimeoutHeader, strconv.FormatInt(left, 10))
	}
	return h.next.RoundTrip(r)
}
