package otlp

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// guard refuses requests that a web page of somebody else could have made: a foreign Host (a name that was
// pointed at loopback) or a foreign Origin. Pages of this machine may send, as a frontend under
// development does.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if !s.known(hostname(r.Host)) {
			http.Error(w, "this address answers only under the name of this machine", http.StatusMisdirectedRequest)
			return
		}
		origin := r.Header.Get("Origin")
		if !s.welcome(origin) || foreign(r) {
			http.Error(w, "pages of other sites may not ask here", http.StatusForbidden)
			return
		}
		if origin != "" {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Add("Vary", "Origin")
		}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST")
			h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) known(host string) bool {
	switch host {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return host != "" && slices.Contains(s.Hosts, host)
}

func hostname(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return strings.ToLower(host)
}

func (s *server) welcome(origin string) bool {
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && s.known(strings.ToLower(u.Hostname()))
}

// foreign says that a browser loads this for a page of another site, as an image or a script.
func foreign(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}
