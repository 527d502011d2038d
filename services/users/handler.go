package main

import (
	"net/http"
	"strconv"
	"strings"

	"msctl.dev/msctl/services/kit"
)

// handler serves users as REST.
type handler struct{ store store }

func routes(s store) http.Handler {
	h := handler{s}
	mux := http.NewServeMux()
	mux.Handle("POST /users", kit.HandlerFunc(h.create))
	mux.Handle("GET /users", kit.HandlerFunc(h.list))
	mux.Handle("GET /users/{id}", kit.HandlerFunc(h.read))
	mux.Handle("PUT /users/{id}", kit.HandlerFunc(h.update))
	return mux
}

func (h handler) create(w http.ResponseWriter, r *http.Request) error {
	in := struct {
		ID string `json:"id"` // "" makes one
		Profile
	}{}
	if err := kit.Read(r, &in); err != nil {
		return err
	}
	if in.ID == "" {
		in.ID = kit.NewID()
	}
	if err := in.check(); err != nil {
		return err
	}
	if !idForm.MatchString(in.ID) {
		return kit.BadRequest("the id must match %s", idForm)
	}
	u, err := h.store.create(r.Context(), in.ID, in.Profile)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/users/"+u.ID)
	answer(w, http.StatusCreated, u)
	return nil
}

func (h handler) read(w http.ResponseWriter, r *http.Request) error {
	u, err := h.store.user(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, u)
	return nil
}

// update replaces the profile; If-Match: "3" does so only where the version is still 3.
func (h handler) update(w http.ResponseWriter, r *http.Request) error {
	var p Profile
	if err := kit.Read(r, &p); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	var version int64
	if tag := r.Header.Get("If-Match"); tag != "" && tag != "*" {
		var err error
		if version, err = strconv.ParseInt(strings.Trim(tag, `"`), 10, 64); err != nil {
			return kit.BadRequest("If-Match %q is no version", tag)
		}
	}
	u, err := h.store.update(r.Context(), r.PathValue("id"), p, version)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, u)
	return nil
}

func (h handler) list(w http.ResponseWriter, r *http.Request) error {
	limit, err := kit.Limit(r, 50, 200)
	if err != nil {
		return err
	}
	us, err := h.store.users(r.Context(), r.FormValue("after"), limit)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"users": us})
	return nil
}

func answer(w http.ResponseWriter, status int, u User) {
	w.Header().Set("ETag", strconv.Quote(strconv.FormatInt(u.Version, 10)))
	kit.WriteJSON(w, status, u)
}
