package main

import (
	"net/http"
	"strings"

	"msctl.dev/msctl/services/kit"
)

const (
	pageUsual = 200
	pageMost  = 1000
	idsMost   = 200 // in an address
)

// handler serves stock as REST.
type handler struct {
	store     store
	warehouse *warehouse
}

func routes(s store, w *warehouse) http.Handler {
	h := handler{s, w}
	mux := http.NewServeMux()
	mux.Handle("GET /stock", kit.HandlerFunc(h.list))
	mux.Handle("GET /stock/{id}", kit.HandlerFunc(h.read))
	return mux
}

// list answers ?ids=a,b, or a page of all by ?after= and ?limit=.
func (h handler) list(w http.ResponseWriter, r *http.Request) error {
	var ls []Level
	var err error
	if r.URL.Query().Has("ids") {
		ls, err = h.chosen(r)
	} else {
		ls, err = h.page(r)
	}
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"levels": ls})
	return nil
}

func (h handler) chosen(r *http.Request) ([]Level, error) {
	ids := strings.FieldsFunc(r.FormValue("ids"), func(c rune) bool { return c == ',' })
	if len(ids) > idsMost {
		return nil, kit.BadRequest("%d ids are over %d", len(ids), idsMost)
	}
	for _, id := range ids {
		if !idForm.MatchString(id) {
			return nil, kit.BadRequest("the id %q must match %s", id, idForm)
		}
	}
	return h.store.levels(r.Context(), ids)
}

func (h handler) page(r *http.Request) ([]Level, error) {
	limit, err := kit.Limit(r, pageUsual, pageMost)
	if err != nil {
		return nil, err
	}
	return h.store.page(r.Context(), r.FormValue("after"), limit)
}

// read answers one item's level with what is on its way. Where the warehouse cannot say, the rest is
// answered all the same.
func (h handler) read(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	ls, err := h.store.levels(r.Context(), []string{id})
	if err != nil {
		return err
	}
	if len(ls) == 0 {
		return kit.NotFound("there is no stock of %q", id)
	}
	coming, err := h.warehouse.restock(r.Context(), id)
	if err != nil {
		w.Header().Set("X-Degraded", "restock")
	}
	kit.WriteJSON(w, http.StatusOK, struct {
		Level
		Restock *Restock `json:"restock"`
	}{ls[0], coming})
	return nil
}
