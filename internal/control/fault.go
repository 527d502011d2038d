package control

import (
	"context"
	"errors"
	"net/http"

	"msctl.dev/msctl/internal/state"
)

type faultsRequest struct {
	Faults []state.Fault `json:"faults"`
}

type idsRequest struct {
	IDs []string `json:"ids"`
}

type targetRequest struct {
	Target string `json:"target"` // "" is all
}

type leaseRequest struct {
	Lease string `json:"lease"`
}

// Lifted says how many faults were lifted.
type Lifted struct {
	Faults int `json:"faults"`
}

func serveFaults(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	faults, err := s.Fleet.Faults(req.Context())
	if err != nil {
		return err
	}
	return reply(w, faults)
}

func serveAddFaults(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	var r faultsRequest
	if err := decode(w, req, &r); err != nil {
		return err
	}
	faults, err := s.Fleet.AddFaults(req.Context(), r.Faults)
	if err != nil {
		return refuse(err)
	}
	return reply(w, faultsRequest{faults})
}

func serveRemoveFaults(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	var r idsRequest
	if err := decode(w, req, &r); err != nil {
		return err
	}
	n, err := s.Fleet.RemoveFaults(req.Context(), r.IDs)
	if err != nil {
		return refuse(err)
	}
	return reply(w, Lifted{n})
}

func serveClearFaults(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	var r targetRequest
	if err := decode(w, req, &r); err != nil {
		return err
	}
	n, err := s.Fleet.ClearFaults(req.Context(), r.Target)
	if err != nil {
		return refuse(err)
	}
	return reply(w, Lifted{n})
}

func serveKeepLease(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	var r leaseRequest
	if err := decode(w, req, &r); err != nil {
		return err
	}
	if err := s.Fleet.KeepLease(req.Context(), r.Lease); err != nil {
		return refuse(err)
	}
	return reply(w, struct{}{})
}

// refuse keeps what a client may test for across the socket, and the hint where the error has one.
func refuse(err error) error {
	r := &Refusal{Status: http.StatusConflict, Text: err.Error()}
	if errors.Is(err, state.ErrUnknownFault) || errors.Is(err, state.ErrUnknownTarget) {
		r.Status = http.StatusNotFound
	}
	var hinted interface{ Advice() string }
	if errors.As(err, &hinted) {
		r.Hint = hinted.Advice()
	}
	return r
}

// Faults lists what acts now.
func (c *Client) Faults(ctx context.Context) ([]state.Fault, error) {
	var faults []state.Fault
	err := c.quick(ctx, "/v1/faults", &faults)
	return faults, err
}

// AddFaults puts faults on what they name, all or none, and returns them with what was chosen for them: id,
// seed and end. One whose id acts already takes its place.
func (c *Client) AddFaults(ctx context.Context, faults []state.Fault) ([]state.Fault, error) {
	var done faultsRequest
	err := c.post(ctx, "/v1/faults/add", faultsRequest{faults}, &done)
	return done.Faults, known(err, state.ErrUnknownTarget)
}

// RemoveFaults lifts faults, all or none of those named, and returns how many. It returns
// [state.ErrUnknownFault] where one is not there.
func (c *Client) RemoveFaults(ctx context.Context, ids []string) (int, error) {
	var done Lifted
	err := c.post(ctx, "/v1/faults/remove", idsRequest{ids}, &done)
	return done.Faults, known(err, state.ErrUnknownFault)
}

// ClearFaults lifts the faults that were put on a target, or all where it is "", and returns how many.
func (c *Client) ClearFaults(ctx context.Context, target string) (int, error) {
	var done Lifted
	err := c.post(ctx, "/v1/faults/clear", targetRequest{target}, &done)
	return done.Faults, known(err, state.ErrUnknownTarget)
}

// KeepLease renews a lease: the faults that have it act for [state.LeaseTime] more.
func (c *Client) KeepLease(ctx context.Context, name string) error {
	return c.post(ctx, "/v1/faults/keep", leaseRequest{name}, nil)
}

// known returns err as one that is cause, where the server says that something is not there.
func known(err, cause error) error {
	if r := new(Refusal); errors.As(err, &r) && r.Status == http.StatusNotFound {
		return &unknown{r, cause}
	}
	return err
}

type unknown struct {
	*Refusal
	cause error
}

func (u *unknown) Unwrap() []error { return []error{u.Refusal, u.cause} }
