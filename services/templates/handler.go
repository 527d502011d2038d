package main

import (
	"net/http"
	"strconv"

	"msctl.dev/msctl/services/kit"
)

// handler serves templates as REST.
type handler struct{ store store }

func routes(s store) http.Handler {
	h := handler{s}
	mux := http.NewServeMux()
	mux.Handle("GET /templates", kit.HandlerFunc(h.list))
	mux.Handle("PUT /templates/{id}", kit.HandlerFunc(h.put))
	mux.Handle("GET /templates/{id}", kit.HandlerFunc(h.read))
	mux.Handle("GET /templates/{id}/versions", kit.HandlerFunc(h.versions))
	mux.Handle("GET /templates/{id}/versions/{version}", kit.HandlerFunc(h.read))
	mux.Handle("POST /templates/{id}/render", kit.HandlerFunc(h.render))
	return mux
}

// put adds a version: 201 for the first, 200 for any other.
func (h handler) put(w http.ResponseWriter, r *http.Request) error {
	var c Content
	if err := kit.Read(r, &c); err != nil {
		return err
	}
	id := r.PathValue("id")
	if !idForm.MatchString(id) {
		return kit.BadRequest("the id must match %s", idForm)
	}
	if err := c.check(); err != nil {
		return err
	}
	t, err := h.store.put(r.Context(), id, c)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if t.Version == 1 {
		status = http.StatusCreated
	}
	w.Header().Set("Location", "/templates/"+id+"/versions/"+strconv.FormatInt(t.Version, 10))
	kit.WriteJSON(w, status, t)
	return nil
}

func (h handler) read(w http.ResponseWriter, r *http.Request) error {
	var version int64
	if s := r.PathValue("version"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 {
			return kit.BadRequest("%q is no version", s)
		}
		version = n
	}
	t, err := h.store.template(r.Context(), r.PathValue("id"), version)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, t)
	return nil
}

func (h handler) versions(w http.ResponseWriter, r *http.Request) error {
	ts, err := h.store.versions(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if len(ts) == 0 {
		return kit.NotFound("there is no template %q", r.PathValue("id"))
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"versions": ts})
	return nil
}

func (h handler) list(w http.ResponseWriter, r *http.Request) error {
	limit, err := kit.Limit(r, 50, 200)
	if err != nil {
		return err
	}
	ts, err := h.store.newest(r.Context(), r.FormValue("after"), limit)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"templates": ts})
	return nil
}

// render answers the text of one channel with its variables filled in.
func (h handler) render(w http.ResponseWriter, r *http.Request) error {
	in := struct {
		Channel   string            `json:"channel"`
		Language  string            `json:"language"` // "" is the template's default
		Version   int64             `json:"version"`  // 0 is the newest
		Variables map[string]string `json:"variables"`
	}{}
	if err := kit.Read(r, &in); err != nil {
		return err
	}
	t, err := h.store.template(r.Context(), r.PathValue("id"), in.Version)
	if err != nil {
		return err
	}
	out, err := t.render(in.Channel, in.Language, in.Variables)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, out)
	return nil
}
