package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"

	"msctl.dev/msctl/internal/bench/proc"
)

// provide serves things, and the address to which verifiers send the states of pacts: without one it tells its
// address on a line and ends with its standard input.
func provide() {
	h := things()
	if port := os.Getenv("HTTP_PORT"); port != "" { // msctl has started it
		if err := http.ListenAndServe(cmp.Or(os.Getenv("HTTP_HOST"), "127.0.0.1")+":"+port, h); err != nil {
			fmt.Fprintln(os.Stderr, "contracts:", err)
			os.Exit(1)
		}
		return
	}
	ln := proc.Open()
	go func() { _ = http.Serve(ln, h) }()
	proc.Wait()
}

// thing is what a provider has.
type thing struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Price int      `json:"price"`
	Tags  []string `json:"tags"`
}

// things is a service that has some.
func things() http.Handler {
	var mu sync.Mutex // guards all
	all := map[string]thing{}
	answer := func(w http.ResponseWriter, code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "up") })
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if one, ok := all[r.PathValue("id")]; ok {
			answer(w, 200, one)
			return
		}
		answer(w, 404, map[string]string{"code": "not_found"})
	})
	mux.HandleFunc("POST /things", func(w http.ResponseWriter, r *http.Request) {
		var one thing
		if err := json.NewDecoder(r.Body).Decode(&one); err != nil || one.ID == "" {
			answer(w, 400, map[string]string{"code": "invalid"})
			return
		}
		mu.Lock()
		defer mu.Unlock()
		all[one.ID] = one
		answer(w, 201, one)
	})
	mux.HandleFunc("POST /state", func(w http.ResponseWriter, r *http.Request) { // as Pact's verifiers ask for one
		var said struct {
			State, Action string
			Params        thing
		}
		if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
			answer(w, 400, err.Error())
			return
		}
		mu.Lock()
		defer mu.Unlock()
		clear(all)
		if said.State == stateThere && said.Action != "teardown" {
			all[said.Params.ID] = said.Params
		}
		answer(w, 200, map[string]string{})
	})
	return mux
}
