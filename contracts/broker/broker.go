// Package broker is the part of the Pact Broker's API that its clients use: publishing pacts, handing them
// out for verification, results, environments, deployments and the matrix.
package broker

import (
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"time"
)

// Broker answers requests from what its store knows.
type Broker struct {
	Store   Store
	Token   string           // that each request must bear; "" asks for none
	Hosts   []string         // names by which it may be asked beside the loopback's
	MaxBody int64            // bytes of one request; 0 means 16 MiB
	Now     func() time.Time // nil means time.Now

	// Verified is told each result that a verifier published; nil: nobody wants to know.
	Verified func(Result)
}

const defaultMaxBody = 16 << 20

// route is one row of the table of what is answered.
type route struct {
	pattern string
	serve   func(*Broker, exchange) error
}

// routes is the table.
var routes = []route{
	{"GET /{$}", (*Broker).index},
	{"POST /contracts/publish", (*Broker).publish},
	{"PUT /pacts/provider/{provider}/consumer/{consumer}/version/{version}", (*Broker).put},
	{"GET /pacts/latest", (*Broker).latest},
	{"GET /pacts/provider/{provider}/latest", (*Broker).latestOf},
	{"GET /pacts/provider/{provider}/branch", (*Broker).latestOf},
	{"GET /pacts/provider/{provider}/branch/{branch}", (*Broker).latestOf},
	{"GET /pacts/provider/{provider}/for-verification", (*Broker).forVerification},
	{"POST /pacts/provider/{provider}/for-verification", (*Broker).forVerification},
	{"GET /pacts/provider/{provider}/consumer/{consumer}/latest", (*Broker).pact},
	{"GET /pacts/provider/{provider}/consumer/{consumer}/version/{version}", (*Broker).pact},
	{"GET /pacts/provider/{provider}/consumer/{consumer}/pact-version/{hash}", (*Broker).pact},
	{"GET /pacts/provider/{provider}/consumer/{consumer}/pact-version/{hash}/metadata/{meta}", (*Broker).pact},
	{"POST /pacts/provider/{provider}/consumer/{consumer}/pact-version/{hash}/verification-results", (*Broker).verified},
	{"POST /pacts/provider/{provider}/consumer/{consumer}/pact-version/{hash}/metadata/{meta}/verification-results", (*Broker).verified},
	{"GET /pacts/provider/{provider}/consumer/{consumer}/pact-version/{hash}/verification-results/{n}", (*Broker).verification},
	{"GET /pacticipants", (*Broker).participants},
	{"POST /pacticipants", (*Broker).newParticipant},
	{"GET /pacticipants/{name}", (*Broker).participant},
	{"PUT /pacticipants/{name}", (*Broker).putParticipant},
	{"PATCH /pacticipants/{name}", (*Broker).putParticipant},
	{"GET /pacticipants/{name}/versions", (*Broker).versions},
	{"GET /pacticipants/{name}/versions/{version}", (*Broker).version},
	{"PUT /pacticipants/{name}/versions/{version}", (*Broker).putVersion},
	{"GET /pacticipants/{name}/latest-version", (*Broker).latestVersion},
	{"GET /pacticipants/{name}/branches/{branch}/latest-version", (*Broker).latestVersion},
	{"GET /pacticipants/{name}/branches/{branch}/versions/{version}", (*Broker).version},
	{"PUT /pacticipants/{name}/branches/{branch}/versions/{version}", (*Broker).putVersion},
	{"PUT /pacticipants/{name}/versions/{version}/tags/{tag}", (*Broker).tag},
	{"DELETE /pacticipants/{name}/versions/{version}/tags/{tag}", (*Broker).deleteTag},
	{"DELETE /pacticipants/{name}/branches/{branch}", (*Broker).deleteBranch},
	{"GET /environments", (*Broker).environments},
	{"POST /environments", (*Broker).newEnvironment},
	{"GET /environments/{id}", (*Broker).environment},
	{"PUT /environments/{id}", (*Broker).putEnvironment},
	{"DELETE /environments/{id}", (*Broker).deleteEnvironment},
	{"GET /environments/{id}/deployed-versions/currently-deployed", (*Broker).deployed},
	{"GET /environments/{id}/released-versions/currently-supported", (*Broker).released},
	{"POST /pacticipants/{name}/versions/{version}/deployed-versions/environment/{id}", (*Broker).deploy},
	{"POST /pacticipants/{name}/versions/{version}/released-versions/environment/{id}", (*Broker).release},
	{"PATCH /deployed-versions/{id}", (*Broker).withdraw},
	{"PATCH /released-versions/{id}", (*Broker).withdraw},
	{"GET /matrix", (*Broker).matrix},
	{"GET /can-i-deploy", (*Broker).canIDeploy},
}

// Handler returns what answers requests. It refuses those for another host, from another site's page,
// and without the token, before it looks what they want.
func (b *Broker) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) {
			x := exchange{w: w, r: req, base: "http://" + req.Host}
			if err := r.serve(b, x); err != nil {
				x.fail(err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		exchange{w: w, r: r}.fail(refuse(http.StatusNotFound, "there is nothing at %s %s", r.Method, r.URL.Path))
	})
	return b.guard(http.NewCrossOriginProtection().Handler(mux))
}

func (b *Broker) guard(next http.Handler) http.Handler {
	limit := b.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange{w: w, r: r}
		switch {
		case !b.ours(r.Host):
			x.fail(refuse(http.StatusMisdirectedRequest, "%q is not a name of this broker", r.Host))
		case !b.allowed(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			x.fail(refuse(http.StatusUnauthorized, "the token is missing or wrong"))
		default:
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			next.ServeHTTP(w, r)
		}
	})
}

// ours reports whether a request's Host names the loopback, or what the user said.
func (b *Broker) ours(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	for _, h := range append([]string{"localhost", "127.0.0.1", "::1"}, b.Hosts...) {
		if name == strings.ToLower(h) {
			return true
		}
	}
	return false
}

func (b *Broker) allowed(r *http.Request) bool {
	if b.Token == "" {
		return true
	}
	got, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return subtle.ConstantTimeCompare([]byte(got), []byte(b.Token)) == 1
}

func (b *Broker) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// Server returns a server of the broker with bounds on everything that a client can draw out.
func (b *Broker) Server() *http.Server {
	return &http.Server{
		Handler:           b.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

// index says where everything is.
func (b *Broker) index(x exchange) error {
	const version = "/pacticipants/{pacticipant}/versions/{version}"
	x.answer(http.StatusOK, object{"_links": object{
		"self":                               x.link("/", "title", "Index"),
		"pb:publish-contracts":               x.link("/contracts/publish", "title", "Publish contracts"),
		"pb:publish-pact":                    x.link("/pacts/provider/{provider}/consumer/{consumer}/version/{consumerApplicationVersion}"),
		"pb:latest-pact-versions":            x.link("/pacts/latest"),
		"pb:pacticipants":                    x.link("/pacticipants"),
		"pb:pacticipant":                     x.link("/pacticipants/{pacticipant}"),
		"pb:latest-provider-pacts":           x.link("/pacts/provider/{provider}/latest"),
		"pb:provider-pacts-for-verification": x.link("/pacts/provider/{provider}/for-verification"),
		"pb:pacticipant-version":             x.link(version),
		"pb:pacticipant-version-tag":         x.link(version + "/tags/{tag}"),
		"pb:pacticipant-branch-version":      x.link("/pacticipants/{pacticipant}/branches/{branch}/versions/{version}"),
		"pb:latest-version":                  x.link("/pacticipants/{pacticipant}/latest-version"),
		"pb:environments":                    x.link("/environments"),
		"pb:environment":                     x.link("/environments/{uuid}"),
		"pb:can-i-deploy-pacticipant-version-to-environment": x.link("/can-i-deploy?pacticipant={pacticipant}&version={version}&environment={environment}"),
	}})
	return nil
}
