package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"msctl.dev/msctl/services/kit"
	usersv1 "msctl.dev/msctl/services/proto/shop/users/v1"
)

// answerFor is the time that is left to answer a client who has waited for the end of an order.
const answerFor = 200 * time.Millisecond

// handler serves orders as REST.
type handler struct {
	store   store
	catalog catalog
	users   usersv1.UsersServiceClient
	saga    saga
	// drive begins to drive an order, which holds a slot, and returns a channel that tells where it
	// stands when it has come to its end or has to wait.
	drive func(w work) <-chan Order
}

func routes(h handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", kit.HandlerFunc(h.place))
	mux.Handle("GET /orders", kit.HandlerFunc(h.list))
	mux.Handle("GET /orders/{id}", kit.HandlerFunc(h.read))
	mux.Handle("GET /orders/{id}/events", kit.HandlerFunc(h.events))
	mux.Handle("POST /orders/{id}/cancel", kit.HandlerFunc(h.cancel))
	return mux
}

// caller is who asks, as the gateway says.
type caller struct {
	id    string
	admin bool
}

func callerOf(r *http.Request) (caller, error) {
	c := caller{r.Header.Get("X-User-ID"), r.Header.Get("X-User-Role") == "admin"}
	if c.id == "" && !c.admin {
		return c, kit.Errorf(http.StatusUnauthorized, "unauthorized", "X-User-ID is missing")
	}
	return c, nil
}

// place stores an order and drives it. It answers when the order has come to its end, or that it is
// under way. The same request again gets the order as it is; another one under its id is a conflict.
func (h handler) place(w http.ResponseWriter, r *http.Request) error {
	in, err := readRequest(r)
	if err != nil {
		return err
	}
	content, err := in.content()
	if err != nil {
		return err
	}
	ctx := r.Context()
	if o, err := h.store.order(ctx, h.store.db, in.ID); err == nil {
		return h.again(w, r, o, content)
	} else if kit.AsProblem(err).Status != http.StatusNotFound {
		return err
	}
	body, err := h.catalog.price(ctx, in)
	if err != nil {
		return err
	}
	body.Content = content
	if err := h.store.learn(ctx, h.users, in.User); err != nil {
		return err
	}
	o, err := h.begin(ctx, func(mine bool) (work, error) {
		return h.store.place(ctx, in.ID, body, in.Card, mine)
	})
	taken := errors.Is(err, errStale)
	if err != nil && !taken {
		return err
	}
	if !o.ended() {
		if o, err = h.store.order(ctx, h.store.db, in.ID); err != nil {
			return err
		}
	}
	if taken {
		return h.again(w, r, o, content)
	}
	w.Header().Set("Location", "/orders/"+o.ID)
	return h.answer(w, r, o, http.StatusCreated)
}

// readRequest reads what a client asks for, and checks it.
func readRequest(r *http.Request) (Request, error) {
	var in Request
	who, err := callerOf(r)
	if err != nil {
		return in, err
	}
	if err := kit.Read(r, &in); err != nil {
		return in, err
	}
	if in.User == "" {
		in.User = who.id
	}
	if in.User != who.id && !who.admin {
		return in, kit.Errorf(http.StatusForbidden, "forbidden", "user %q may not order for %q", who.id, in.User)
	}
	if in.ID == "" {
		in.ID = kit.NewID()
	}
	return in, in.check()
}

// again answers a request whose id is taken.
func (h handler) again(w http.ResponseWriter, r *http.Request, o Order, content string) error {
	if o.Placed.Content != content {
		return kit.Conflict("order %q is there already, and is another", o.ID)
	}
	w.Header().Set("Location", "/orders/"+o.ID)
	return h.show(w, r, o, http.StatusOK)
}

// begin stores the beginning of a saga, drives it here if there is a slot, and waits for its end as
// long as a client is made to wait. The order that it returns is the zero value where it did not hear of it.
func (h handler) begin(ctx context.Context, store func(mine bool) (work, error)) (o Order, err error) {
	mine := h.saga.slot()
	work, err := store(mine)
	if err != nil || !mine {
		if mine {
			<-h.saga.slots
		}
		return o, err
	}
	wait := h.saga.wait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)-answerFor)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case o = <-h.drive(work):
	case <-timer.C:
	case <-ctx.Done():
	}
	return o, nil
}

// cancel takes an order back. One that is being cancelled, or is, is answered as it is.
func (h handler) cancel(w http.ResponseWriter, r *http.Request) error {
	o, err := h.own(r)
	if err != nil {
		return err
	}
	_, refused := h.begin(r.Context(), func(mine bool) (work, error) {
		return h.store.cancel(r.Context(), o.ID, mine)
	})
	if o, err = h.store.order(r.Context(), h.store.db, o.ID); err != nil {
		return err
	}
	if refused != nil && o.Undo.Ends != Cancelled {
		return refused
	}
	return h.answer(w, r, o, http.StatusOK)
}

// own returns the order that the path names, if the caller may see it.
func (h handler) own(r *http.Request) (Order, error) {
	who, err := callerOf(r)
	if err != nil {
		return Order{}, err
	}
	o, err := h.store.order(r.Context(), h.store.db, r.PathValue("id"))
	if err == nil && !who.admin && o.Placed.User != who.id {
		err = kit.NotFound("there is no order %q", r.PathValue("id"))
	}
	return o, err
}

func (h handler) read(w http.ResponseWriter, r *http.Request) error {
	o, err := h.own(r)
	if err != nil {
		return err
	}
	return h.show(w, r, o, http.StatusOK)
}

// events answers what happened to an order, first things first, without the fingerprint: a card might
// be guessed by it.
func (h handler) events(w http.ResponseWriter, r *http.Request) error {
	o, err := h.own(r)
	if err != nil {
		return err
	}
	es, err := h.store.events(r.Context(), h.store.db, o.ID)
	if err != nil {
		return err
	}
	es[0].Body.Content = ""
	kit.WriteJSON(w, http.StatusOK, map[string]any{"events": es})
	return nil
}

// list answers a page of the read model: a user's own orders, or for admin those of ?user= or all.
func (h handler) list(w http.ResponseWriter, r *http.Request) error {
	who, err := callerOf(r)
	if err != nil {
		return err
	}
	f := filter{user: r.FormValue("user"), status: r.FormValue("status"), after: r.FormValue("after")}
	if !who.admin {
		if f.user != "" && f.user != who.id {
			return kit.Errorf(http.StatusForbidden, "forbidden", "user %q may not list orders of %q", who.id, f.user)
		}
		f.user = who.id
	}
	if f.limit, err = kit.Limit(r, 50, 200); err != nil {
		return err
	}
	if f.status != "" && !slices.Contains([]string{"pending", "confirmed", "rejected", "cancelled"}, f.status) {
		return kit.BadRequest("status is none of pending, confirmed, rejected, cancelled")
	}
	ns, err := h.store.list(r.Context(), f)
	if err != nil {
		return err
	}
	out := []any{}
	for _, n := range ns {
		out = append(out, shape(r, n))
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"orders": out})
	return nil
}

// answer shows an order with that status, or with 202 where it is still under way.
func (h handler) answer(w http.ResponseWriter, r *http.Request, o Order, status int) error {
	if !o.ended() {
		status = http.StatusAccepted
	}
	return h.show(w, r, o, status)
}

func (h handler) show(w http.ResponseWriter, r *http.Request, o Order, status int) error {
	who, _, err := name(r.Context(), h.store.db, o.Placed.User)
	if err != nil {
		return err
	}
	kit.WriteJSON(w, status, shape(r, named{o, who}))
	return nil
}
