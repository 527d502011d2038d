package main

import (
	"net/http"
	"slices"
	"strings"

	"msctl.dev/msctl/services/kit"
)

const (
	pageUsual = 50
	pageMost  = 200
	idsMost   = 200
)

// handler serves items as REST.
type handler struct {
	store store
	shelf *shelf
	cache *cache
}

func routes(s store, shelf *shelf, c *cache) http.Handler {
	h := handler{s, shelf, c}
	mux := http.NewServeMux()
	mux.Handle("GET /items", kit.HandlerFunc(h.list))
	mux.Handle("GET /items/{id}", kit.HandlerFunc(h.read))
	mux.Handle("PUT /items/{id}", kit.HandlerFunc(h.put))
	return mux
}

func (h handler) read(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := checkID(id); err != nil {
		return err
	}
	found, from, err := h.shelf.items(r.Context(), []string{id})
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Status", from)
	item, ok := found[id]
	if !ok {
		return kit.NotFound("there is no item %q", id)
	}
	kit.WriteJSON(w, http.StatusOK, item)
	return nil
}

// list answers ?ids=a,b, or a page of all by ?after= and ?limit=.
func (h handler) list(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("ids") {
		return h.batch(w, r)
	}
	limit, err := kit.Limit(r, pageUsual, pageMost)
	if err != nil {
		return err
	}
	list, err := h.store.page(r.Context(), r.FormValue("after"), limit)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"items": list})
	return nil
}

// batch answers many items in the order that they are asked for, each once, and which there are not.
func (h handler) batch(w http.ResponseWriter, r *http.Request) error {
	ids, err := idsOf(r)
	if err != nil {
		return err
	}
	found, from, err := h.shelf.items(r.Context(), ids)
	if err != nil {
		return err
	}
	list, missing := []Item{}, []string{}
	for _, id := range ids {
		if item, ok := found[id]; ok {
			list = append(list, item)
		} else {
			missing = append(missing, id)
		}
	}
	w.Header().Set("Cache-Status", from)
	kit.WriteJSON(w, http.StatusOK, map[string]any{"items": list, "missing": missing})
	return nil
}

func idsOf(r *http.Request) ([]string, error) {
	var ids []string
	for id := range strings.SplitSeq(r.FormValue("ids"), ",") {
		if id == "" || slices.Contains(ids, id) {
			continue
		}
		if err := checkID(id); err != nil {
			return nil, err
		}
		if ids = append(ids, id); len(ids) > idsMost {
			return nil, kit.BadRequest("ids names over %d items", idsMost)
		}
	}
	return ids, nil
}

// put makes or changes an item. The same content again changes nothing.
func (h handler) put(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := checkID(id); err != nil {
		return err
	}
	var c Content
	if err := kit.Read(r, &c); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	version, changed, err := h.store.put(r.Context(), id, c)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if changed {
		_ = h.cache.drop(r.Context(), id) // now, for who reads next; the sweeper does it again
		if version == 1 {
			status = http.StatusCreated
		}
	}
	found, err := h.store.items(r.Context(), []string{id})
	if err != nil {
		return err
	}
	kit.WriteJSON(w, status, found[id])
	return nil
}
