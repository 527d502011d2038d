package toxiproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// refusal is an answer that says no, in Toxiproxy's shape.
type refusal struct {
	Message string `json:"error"`
	Status  int    `json:"status"`
}

func (r *refusal) Error() string { return r.Message }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{Message: fmt.Sprintf(format, args...), Status: status}
}

// The refusals in Toxiproxy's words.
var (
	errProxyUnknown = &refusal{"proxy not found", http.StatusNotFound}
	errProxyExists  = &refusal{"proxy already exists", http.StatusConflict}
	errToxicUnknown = &refusal{"toxic not found", http.StatusNotFound}
	errToxicExists  = &refusal{"toxic already exists", http.StatusConflict}
	errToxicType    = &refusal{"invalid toxic type", http.StatusBadRequest}
	errPacketLoss   = &refusal{"invalid toxic type: packet_loss cannot be, as a proxy carries streams, which lose nothing; latency with jitter is what a caller sees of lost packets", http.StatusBadRequest}
	errStream       = &refusal{"stream was invalid, can be either upstream or downstream", http.StatusBadRequest}
)

func badBody(err error) *refusal {
	return refuse(http.StatusBadRequest, "bad request body: %v", err)
}

func missing(field string) *refusal {
	return refuse(http.StatusBadRequest, "missing required field: %s", field)
}

// maxBody bounds what a client sends.
const maxBody = 1 << 20

// answer is what a route found: a body for JSON, or none.
type answer struct {
	status int
	body   any
}

// route does one thing of the API. The names come from the path.
type route func(s *Server, r *http.Request, proxy, toxic string) (answer, error)

// routes are the paths, as path splits them, and what each method does there.
var routes = map[string]map[string]route{
	"version":  {"GET": nil}, // answered apart: it is text
	"reset":    {"POST": (*Server).reset},
	"populate": {"POST": (*Server).populate},
	"proxies":  {"GET": (*Server).list, "POST": (*Server).create},
	"proxy":    {"GET": (*Server).show, "POST": (*Server).update, "PATCH": (*Server).update, "DELETE": (*Server).remove},
	"toxics":   {"GET": (*Server).toxics, "POST": (*Server).addToxic},
	"toxic":    {"GET": (*Server).showToxic, "POST": (*Server).updateToxic, "PATCH": (*Server).updateToxic, "DELETE": (*Server).removeToxic},
}

// Handler answers the API. A browser is turned away, and so is a request for another host's name: pages of
// the web must not reach it.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, proxy, toxic := split(r.URL.Path)
		methods := routes[place]
		if methods == nil {
			http.NotFound(w, r)
			return
		}
		do, ok := methods[r.Method]
		switch {
		case !ok:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case strings.HasPrefix(r.UserAgent(), "Mozilla/"):
			http.Error(w, "User agent not allowed", http.StatusForbidden)
		case !ownHost(r.Host):
			http.Error(w, "Host not allowed", http.StatusForbidden)
		case place == "version":
			w.Header().Set("Content-Type", "application/json;charset=utf-8")
			fmt.Fprintf(w, "{\"version\": %q}\n", Version)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			a, err := do(s, r, proxy, toxic)
			if proxy != "" && errors.Is(err, errProxyUnknown) {
				s.stray(r.Context(), proxy)
			}
			s.write(w, a, err)
		}
	})
}

// split takes a path apart. The name of an edge may hold a slash, "orders:payments/grpc".
func split(path string) (place, proxy, toxic string) {
	switch path {
	case "/version", "/reset", "/populate", "/proxies":
		return path[1:], "", ""
	}
	rest, ok := strings.CutPrefix(path, "/proxies/")
	if !ok || rest == "" || strings.HasSuffix(rest, "/") {
		return "", "", ""
	}
	if name, ok := strings.CutSuffix(rest, "/toxics"); ok && name != "" {
		return "toxics", name, ""
	}
	if i := strings.LastIndex(rest, "/toxics/"); i > 0 && !strings.Contains(rest[i+len("/toxics/"):], "/") {
		return "toxic", rest[:i], rest[i+len("/toxics/"):]
	}
	if strings.Contains(rest, "/") && !strings.Contains(rest, ":") {
		return "", "", ""
	}
	return "proxy", rest, ""
}

// ownHost reports a Host header that means this machine.
func ownHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}

// write sends an answer, or a refusal as Toxiproxy does: JSON with the type of plain text.
func (s *Server) write(w http.ResponseWriter, a answer, err error) {
	if err != nil {
		var no *refusal
		if !errors.As(err, &no) {
			no = &refusal{err.Error(), http.StatusInternalServerError}
		}
		text, _ := json.Marshal(no) // strings and a number always have a JSON form
		http.Error(w, string(text), no.Status)
		return
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	text, err := json.Marshal(a.body)
	if err != nil {
		s.log().Error("answer not written", "err", err)
		http.Error(w, "{}", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(text) // a client that left needs no answer
}

// decode reads the first JSON value of a body.
func decode(body io.Reader, into any) error {
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return badBody(err)
	}
	return nil
}
