package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// Problem is an error that a client is told, as RFC 9457 says (application/problem+json). A handler
// returns one, or any other error, which becomes "500 internal" without its text, 503 where something
// behind is [Away], or 504 where the time was over before it answered.
type Problem struct {
	Status      int               `json:"status"`
	Code        string            `json:"code"` // stable word for programs: "not-found"
	Title       string            `json:"title"`
	Detail      string            `json:"detail,omitempty"`
	Errors      map[string]string `json:"errors,omitempty"` // field -> what is wrong with it
	Correlation string            `json:"correlation_id,omitempty"`
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// Errorf makes a problem; the formatted text is its detail.
func Errorf(status int, code, format string, args ...any) *Problem {
	detail := fmt.Sprintf(format, args...)
	return &Problem{Status: status, Code: code, Title: http.StatusText(status), Detail: detail}
}

// NotFound is a 404.
func NotFound(format string, args ...any) *Problem {
	return Errorf(http.StatusNotFound, "not-found", format, args...)
}

// BadRequest is a 400.
func BadRequest(format string, args ...any) *Problem {
	return Errorf(http.StatusBadRequest, "bad-request", format, args...)
}

// Conflict is a 409.
func Conflict(format string, args ...any) *Problem {
	return Errorf(http.StatusConflict, "conflict", format, args...)
}

// Unavailable is a 503: try again later.
func Unavailable(format string, args ...any) *Problem {
	return Errorf(http.StatusServiceUnavailable, "unavailable", format, args...)
}

// AsProblem returns what a client is told of err.
func AsProblem(err error) *Problem {
	var p *Problem
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &big):
		return Errorf(http.StatusRequestEntityTooLarge, "too-large", "the body is over %d bytes", big.Limit)
	case errors.Is(err, circuitbreaker.ErrOpen):
		return Unavailable("a service behind this one is down")
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(http.StatusGatewayTimeout, "timeout", "the answer took too long")
	case Away(err):
		return Unavailable("something that this needs is away, try again")
	}
	return Errorf(http.StatusInternalServerError, "internal", "something went wrong here")
}

// retryAfter is after how many seconds a client may try again what was answered with 503 or 504.
const retryAfter = "1"

// WriteProblem answers err as a problem, with the request's correlation id. A 503 and a 504 say when to
// try again, unless the handler has said so.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := *AsProblem(err)
	p.Correlation = Correlation(r.Context())
	w.Header().Set("Content-Type", "application/problem+json")
	passes := p.Status == http.StatusServiceUnavailable || p.Status == http.StatusGatewayTimeout
	if passes && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client went away: nobody is left to tell
}
