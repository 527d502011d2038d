package main

import (
	"net/http"

	"msctl.dev/msctl/services/kit"
)

// handler serves notifications, and the failed queue, as REST.
type handler struct{ store store }

func routes(s store) http.Handler {
	h := handler{s}
	mux := http.NewServeMux()
	mux.Handle("POST /notifications", kit.HandlerFunc(h.accept))
	mux.Handle("GET /notifications", kit.HandlerFunc(h.list))
	mux.Handle("GET /notifications/{id}", kit.HandlerFunc(h.read))
	mux.Handle("GET /failed", kit.HandlerFunc(h.failed))
	mux.Handle("POST /failed/requeue", kit.HandlerFunc(h.requeueAll))
	mux.Handle("POST /failed/{id}/requeue", kit.HandlerFunc(h.requeue))
	return mux
}

// accept stores the request and answers at once, also when users or templates are down. The same
// request gets the same answer; another one under its id is a 422.
func (h handler) accept(w http.ResponseWriter, r *http.Request) error {
	var in Request
	if err := kit.Read(r, &in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	id, err := h.store.accept(r.Context(), in)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/notifications/"+id)
	kit.WriteJSON(w, http.StatusAccepted,
		map[string]any{"id": id, "request_id": in.ID, "status": Accepted})
	return nil
}

func (h handler) read(w http.ResponseWriter, r *http.Request) error {
	n, err := h.store.notification(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, n)
	return nil
}

// list answers a user's notifications (?user=), or everybody's, newest first; ?before= is the last
// id of the page before.
func (h handler) list(w http.ResponseWriter, r *http.Request) error {
	limit, err := kit.Limit(r, 50, 200)
	if err != nil {
		return err
	}
	ns, err := h.store.notifications(r.Context(), r.FormValue("user"), r.FormValue("before"), limit)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"notifications": ns})
	return nil
}

// failed answers what is in the failed queue, oldest first.
func (h handler) failed(w http.ResponseWriter, r *http.Request) error {
	limit, err := kit.Limit(r, 50, 200)
	if err != nil {
		return err
	}
	items, err := h.store.failed(r.Context(), r.FormValue("after"), limit)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"failed": items})
	return nil
}

func (h handler) requeue(w http.ResponseWriter, r *http.Request) error {
	if err := h.store.requeue(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusAccepted, map[string]any{"requeued": 1})
	return nil
}

// requeueAll requeues everything that was in the failed queue when it was called.
func (h handler) requeueAll(w http.ResponseWriter, r *http.Request) error {
	n, err := h.store.requeueAll(r.Context())
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusAccepted, map[string]any{"requeued": n})
	return nil
}
