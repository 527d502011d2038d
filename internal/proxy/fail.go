package proxy

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// unreachable answers for targets that cannot be reached.
func (r *exchange) unreachable(ctx context.Context, err error) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case r.x.wasCut():
		r.left()
		return false
	}
	return r.fail(unconnected(err), fmt.Sprintf("connect %s: %v", r.x.e.To, err), true)
}

// unconnected is the status where no target could be connected to.
func unconnected(err error) int {
	if starved(err) { // it is not the callee's fault
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// broken answers for a target that gave no answer that can be passed on.
func (r *exchange) broken(ctx context.Context, err error) bool {
	x := r.x
	name := r.name()
	x.settle(false)
	switch {
	case ctx.Err() != nil:
		return false
	case x.side.malformed:
		return r.fail(http.StatusBadRequest, errChunk.Error(), false)
	case x.hasBroken(), x.hasLeft() && !r.spoke:
		r.left()
		return false
	}
	r.t.fail(false)
	why := "gave no answer"
	if r.spoke {
		why = "gave no proper answer"
	}
	return r.fail(http.StatusBadGateway, fmt.Sprintf("%s %s: %s", name, why, cause(err)), true)
}

// fail answers in place of the callee. The connection goes on where keep is true and the request was read
// to its end.
func (r *exchange) fail(status int, why string, keep bool) bool {
	x := r.x
	r.call.Code, r.call.Err = status, why
	keep = keep && r.body.done && x.req.persists()
	r.consumed()
	if err := x.answer(status, why, keep); err != nil {
		return false
	}
	if !keep {
		x.linger()
	}
	return keep
}

// left notes that nobody waits for the answer.
func (r *exchange) left() {
	r.call.Err = fmt.Sprintf("the caller left after %v", time.Since(r.call.Start).Round(100*time.Microsecond))
	if r.x.wasCut() {
		r.call.Err = "connection ended by a fault"
	}
	if r.server != nil {
		abort(r.server.conn)
	}
}

// name is the target's, for people.
func (r *exchange) name() string {
	switch {
	case r.t == nil:
		return r.x.e.To
	case r.t.unit == "":
		return r.t.addr
	}
	return r.t.unit
}

// cause says in words why no answer could be read.
func cause(err error) string {
	if ended(err) {
		return "it closed the connection"
	}
	return err.Error()
}
