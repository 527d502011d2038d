package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
)

// What Server.Ask says of a verb that it does not know, and of a question that it cannot read.
var (
	ErrUnknownQuestion = errors.New("no such question")
	ErrBadQuestion     = errors.New("unreadable question")
)

// serveAsk answers a question on telemetry: a verb in the path, JSON in, JSON out.
func serveAsk(s *Server, _ context.Context, w http.ResponseWriter, req *http.Request) error {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	if s.Ask == nil {
		return &Refusal{Status: http.StatusNotFound, Text: "telemetry is off", Hint: "remove `telemetry: off` from stack.yaml"}
	}
	answer, err := s.Ask(req.Context(), req.PathValue("verb"), body)
	if errors.Is(err, ErrUnknownQuestion) {
		return &Refusal{Status: http.StatusNotFound, Text: err.Error(), Hint: "the running msctl is another version: `msctl down` and `msctl up`"}
	}
	if errors.Is(err, ErrBadQuestion) {
		return &Refusal{Status: http.StatusBadRequest, Text: err.Error()}
	}
	if err != nil {
		return err
	}
	return reply(w, answer)
}

// Ask sends a question on telemetry and reads the answer.
func (c *Client) Ask(ctx context.Context, verb string, question, answer any) error {
	return c.post(ctx, "/v1/ask/"+url.PathEscape(verb), question, answer)
}
