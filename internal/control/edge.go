package control

import (
	"context"
	"net/http"

	"msctl.dev/msctl/internal/state"
)

type edgeRequest struct {
	Edge string `json:"edge"` // "" is all
}

// Cleared says how many faults were lifted.
type Cleared struct {
	Faults int `json:"faults"`
}

func serveFaults(s *Server, _ context.Context, w http.ResponseWriter, _ *http.Request) error {
	return reply(w, s.Fleet.Faults())
}

func servePutFault(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	var f state.Fault
	if err := decode(w, req, &f); err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return &Refusal{Status: http.StatusBadRequest, Text: "read fault: " + err.Error()}
	}
	if err := s.Fleet.SetFault(f); err != nil {
		return err
	}
	return reply(w, struct{}{})
}

func serveClearFaults(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	var r edgeRequest
	if err := decode(w, req, &r); err != nil {
		return err
	}
	n, err := s.Fleet.ClearFaults(r.Edge)
	if err != nil {
		return err
	}
	return reply(w, Cleared{n})
}

// Faults lists what acts on edges now.
func (c *Client) Faults(ctx context.Context) ([]state.Fault, error) {
	var faults []state.Fault
	err := c.quick(ctx, "/v1/faults", &faults)
	return faults, err
}

// SetFault puts a fault on an edge, in the place of what was put there before.
func (c *Client) SetFault(ctx context.Context, f state.Fault) error {
	return c.post(ctx, "/v1/faults/put", f, nil)
}

// ClearFaults lifts the faults of an edge, or all where it is "", and returns how many.
func (c *Client) ClearFaults(ctx context.Context, edge string) (int, error) {
	var done Cleared
	err := c.post(ctx, "/v1/faults/clear", edgeRequest{edge}, &done)
	return done.Faults, err
}
