package main

import (
	"net/http"

	"msctl.dev/msctl/services/kit/flags"
)

const (
	canaryHeader = "X-Canary"
	servedHeader = "X-Served-By" // tells a client which of the two answered
)

// strangled answers by the service that the row's flag names for the client: the one that is new,
// or still legacy, in the new one's form.
func (g *gateway) strangled(rt Route, now http.Handler) http.Handler {
	old := rt.Old(g)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := g.flags.String(r.Context(), rt.Flag, rt.To, flags.For(client(r, callerOf(r.Context()))))
		if from == legacy {
			w.Header().Set(servedHeader, legacy)
			old.ServeHTTP(w, r)
			return
		}
		w.Header().Set(servedHeader, rt.To)
		now.ServeHTTP(w, r)
	})
}

// canary marks the requests of those clients that try what is new.
func (g *gateway) canary(rt Route, w http.ResponseWriter, r *http.Request) {
	r.Header.Del(canaryHeader)
	who := flags.For(client(r, callerOf(r.Context())))
	if rt.Canary == "" || !g.flags.Boolean(r.Context(), rt.Canary, false, who) {
		return
	}
	r.Header.Set(canaryHeader, "true")
	w.Header().Set(canaryHeader, "true")
}
