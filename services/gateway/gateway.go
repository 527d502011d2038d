package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/cache"
)

// gateway puts limits, identity and idempotency in front of the services.
type gateway struct {
	app   *kit.App
	auth  *auth
	limit *cache.Limiter
	once  cache.Idempotency
}

// handler serves the table, and the tokens' own routes.
func (g *gateway) handler(table []Route) (http.Handler, error) {
	mux := http.NewServeMux()
	proxies := map[string]http.Handler{}
	for _, r := range table {
		if proxies[r.To] == nil {
			c, err := g.app.Client(r.To)
			if err != nil {
				return nil, err
			}
			proxies[r.To] = proxy(c)
		}
		mux.Handle(r.Pattern, g.route(r, proxies[r.To]))
	}
	mux.Handle("GET /.well-known/jwks.json", kit.HandlerFunc(g.auth.jwks))
	if g.auth.dev != nil {
		mux.Handle("POST /v1/token", g.limited(kit.HandlerFunc(g.auth.token)))
	}
	return problems(mux), nil
}

// route is the way of a request through one row of the table.
func (g *gateway) route(rt Route, next http.Handler) http.Handler {
	if rt.Once {
		next = g.onlyOnce(rt, next)
	}
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		who, err := g.auth.caller(r)
		if len(rt.Roles) == 0 {
			err = nil
		}
		if lerr := g.limit.Allow(r.Context(), w, client(r, who)); lerr != nil {
			return lerr
		}
		if err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return err
		}
		if err := allowed(rt, r, who); err != nil {
			return err
		}
		next.ServeHTTP(w, r.WithContext(withCaller(r.Context(), who)))
		return nil
	})
}

// limited counts requests that nobody has to sign.
func (g *gateway) limited(next http.Handler) http.Handler {
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if err := g.limit.Allow(r.Context(), w, client(r, Caller{})); err != nil {
			return err
		}
		next.ServeHTTP(w, r)
		return nil
	})
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

// proxy hands requests to a service.
func proxy(c *kit.Client) http.Handler {
	return &httputil.ReverseProxy{
		Transport: c.Transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Path = strings.TrimPrefix(p.Out.URL.Path, "/v1")
			p.Out.URL.RawPath = strings.TrimPrefix(p.Out.URL.RawPath, "/v1")
			p.SetURL(c.Base)
			p.SetXForwarded()
			identify(p.Out)
		},
		ModifyResponse: uniform,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			kit.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
				return c.Failed(err)
			}).ServeHTTP(w, r)
		},
	}
}

// identify tells the service who asks, in place of the token and of what a client may have made up.
func identify(r *http.Request) {
	r.Header.Del("Authorization")
	r.Header.Del(kit.TimeoutHeader) // the transport sets what is left
	who := callerOf(r.Context())
	for name, value := range map[string]string{"X-User-ID": who.Subject, "X-User-Role": who.Role} {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
}

// uniform turns an error that is not a problem into one: clients see one form.
func uniform(resp *http.Response) error {
	resp.Header.Del(kit.CorrelationHeader) // the gateway's own is there
	kind := resp.Header.Get("Content-Type")
	if resp.StatusCode < 400 || kind == "application/problem+json" {
		return nil
	}
	resp.Body.Close()
	return kit.Errorf(resp.StatusCode, "refused", "%s", fmt.Sprintf("the service answered %s",
		http.StatusText(resp.StatusCode)))
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
