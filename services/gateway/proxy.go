package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"strings"

	"golang.org/x/net/http/httpguts"

	"msctl.dev/msctl/services/kit"
)

// versionHeader tells a service which form of its answers is wanted.
const versionHeader = "API-Version"

// proxy hands requests to a service. What gets no answer is answered by instead, if that is not nil.
func proxy(c *kit.Client, instead http.Handler) http.Handler {
	return &httputil.ReverseProxy{
		Transport: c.Transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			var version string
			version, p.Out.URL.Path = cut(p.Out.URL.Path)
			if p.Out.URL.RawPath != "" {
				_, p.Out.URL.RawPath = cut(p.Out.URL.RawPath)
			}
			p.SetURL(c.Base)
			p.SetXForwarded()
			identify(p.Out)
			p.Out.Header.Set(versionHeader, version)
		},
		ModifyResponse: func(resp *http.Response) error {
			if instead != nil && resp.StatusCode >= 500 && !isProblem(resp) {
				return fmt.Errorf("%s", resp.Status) // of something between here and the service
			}
			return uniform(resp)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if instead != nil && r.Context().Err() == nil {
				instead.ServeHTTP(w, r)
				return
			}
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

// sendable reports a value that a header can carry, and that arrives as it is: no empty one either.
func sendable(value string) bool {
	return value != "" && value == strings.TrimSpace(value) && httpguts.ValidHeaderFieldValue(value)
}

// uniform puts an answer into the form of the gateway: places are under the version that was asked
// for, and an error that is not a problem becomes one.
func uniform(resp *http.Response) error {
	resp.Header.Del(kit.CorrelationHeader) // the gateway's own is there
	if at := resp.Header.Get("Location"); strings.HasPrefix(at, "/") {
		resp.Header.Set("Location", "/v"+resp.Request.Header.Get(versionHeader)+at)
	}
	if resp.StatusCode < 400 || isProblem(resp) {
		return nil
	}
	resp.Body.Close()
	return kit.Errorf(resp.StatusCode, "refused", "%s", fmt.Sprintf("the service answered %s",
		http.StatusText(resp.StatusCode)))
}

func isProblem(resp *http.Response) bool {
	return resp.Header.Get("Content-Type") == "application/problem+json"
}
