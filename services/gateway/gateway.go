package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/cache"
	"msctl.dev/msctl/services/kit/flags"
)

// gateway puts limits, identity and idempotency in front of the services.
type gateway struct {
	app   *kit.App
	auth  *auth
	limit *cache.Limiter
	once  cache.Idempotency
	flags *flags.Flags
	// partWait is how long a page waits for each of its parts.
	partWait time.Duration
	clients  map[string]*kit.Client // of the services that run here
}

// handler serves the table, and the gateway's own routes.
func (g *gateway) handler(table []Route) (http.Handler, error) {
	table = versions(table)
	if err := g.connect(table); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, r := range table {
		mux.Handle(r.Pattern, g.route(r, g.answers(r)))
	}
	document, err := document(table)
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /v1/openapi.json", g.limited(document))
	mux.Handle("GET /.well-known/jwks.json", kit.HandlerFunc(g.auth.jwks))
	if g.auth.dev != nil {
		mux.Handle("POST /v1/token", g.limited(kit.HandlerFunc(g.auth.token)))
	}
	return problems(mux), nil
}

// connect makes clients of the services that the table names, of those that run here.
func (g *gateway) connect(table []Route) error {
	g.clients = map[string]*kit.Client{}
	names := []string{legacy} // behind flags
	for _, r := range table {
		names = append(names, r.To)
	}
	for _, name := range names {
		if _, err := g.app.Env.URL(name); err != nil || g.clients[name] != nil {
			continue
		}
		c, err := g.app.Client(name)
		if err != nil {
			return err
		}
		c.Prepare = identify
		g.clients[name] = c
	}
	return nil
}

// answers returns what answers a row's requests: its service, or what stands in for it.
func (g *gateway) answers(rt Route) http.Handler {
	h := g.service(rt.To, rt.Else)
	if rt.Flag != "" {
		h = g.strangled(rt, h)
	}
	if rt.Order {
		h = g.ordered(h)
	}
	if rt.Once {
		h = g.onlyOnce(rt, h)
	}
	return h
}

// service hands requests to a service. Where it does not run here, or does not answer, instead does,
// if there is one.
func (g *gateway) service(name string, instead func(*gateway) kit.HandlerFunc) http.Handler {
	c := g.clients[name]
	switch {
	case c != nil && instead != nil:
		return proxy(c, instead(g))
	case c != nil:
		return proxy(c, nil)
	case instead != nil:
		return instead(g)
	}
	return kit.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return notHere(name) })
}

func notHere(service string) error {
	return kit.Errorf(http.StatusServiceUnavailable, "not-running", "%s is not running here", service)
}

// ask gets path of a service in the name of who asks the gateway. out may be nil.
func (g *gateway) ask(ctx context.Context, service, path string, out any) error {
	c := g.clients[service]
	if c == nil {
		return notHere(service)
	}
	return c.JSON(ctx, http.MethodGet, path, nil, out)
}

// ordered lets those through who may see the order {id}.
func (g *gateway) ordered(next http.Handler) http.Handler {
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if err := g.ask(r.Context(), "orders", "/orders/"+url.PathEscape(r.PathValue("id")), nil); err != nil {
			return err
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// route is the way of a request through one row of the table.
func (g *gateway) route(rt Route, next http.Handler) http.Handler {
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		who, err := g.auth.caller(r)
		if len(rt.Roles) == 0 {
			err = nil
		}
		if lerr := g.allow(w, r, client(r, who)); lerr != nil {
			return lerr
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return err
		}
		if err := allowed(rt, r, who); err != nil {
			return err
		}
		if err := whole(r); err != nil {
			return err
		}
		r = r.WithContext(withCaller(r.Context(), who))
		g.canary(rt, w, r)
		next.ServeHTTP(w, r)
		return nil
	})
}

// whole reads the body before any service is asked: one that is too big, or breaks off, is no failure of
// the service, and must not open the circuit to it.
func whole(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if big := (*http.MaxBytesError)(nil); err != nil && !errors.As(err, &big) {
		err = kit.BadRequest("read body: %v", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

// limited counts requests that nobody has to sign.
func (g *gateway) limited(next http.Handler) http.Handler {
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if err := g.allow(w, r, client(r, Caller{})); err != nil {
			return err
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// allow counts a request of a client, and refuses one that is over the limit.
func (g *gateway) allow(w http.ResponseWriter, r *http.Request, client string) error {
	if !g.app.On("rate-limit") {
		return nil
	}
	return g.limit.Allow(r.Context(), w, client)
}

// client names who is counted: the token's subject, or the address of whoever has none.
func client(r *http.Request, who Caller) string {
	if who.Subject != "" {
		return "subject:" + who.Subject
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "address:" + host
}

func allowed(rt Route, r *http.Request, who Caller) error {
	if len(rt.Roles) == 0 {
		return nil
	}
	if !slices.Contains(rt.Roles, who.Role) {
		return kit.Errorf(http.StatusForbidden, "forbidden", "the role %q may not do this", who.Role)
	}
	if rt.Own && who.Role == user && r.PathValue("id") != who.Subject {
		return kit.Errorf(http.StatusForbidden, "forbidden", "this belongs to somebody else")
	}
	return nil
}

// problems answers what no route takes with a problem: 404, or 405 with the methods that there are.
func problems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		s := &statusOnly{ResponseWriter: w}
		mux.ServeHTTP(s, r)
		w.Header().Del("X-Content-Type-Options")
		if s.status == http.StatusMethodNotAllowed {
			kit.WriteProblem(w, r, kit.Errorf(s.status, "method", "%s is not one of %s", r.Method,
				w.Header().Get("Allow")))
			return
		}
		kit.WriteProblem(w, r, kit.NotFound("there is nothing at %s", r.URL.Path))
	})
}

// statusOnly keeps the status of an answer and drops the rest.
type statusOnly struct {
	http.ResponseWriter
	status int
}

func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
