package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/state"
)

// Edges that stand still.
const (
	edgesLook = time.Second      // between two looks whether they still do
	edgesWait = 10 * time.Second // that a client waits for one that moves
	edgesMost = time.Minute      // that any may wait
)

// serveEdges answers with the edges and their tag. Who knows what a tag stands for (If-None-Match) and would rather wait
// for something else (Prefer: wait=SECONDS, RFC 7240) gets that, or 304 when nothing moved in the time.
func serveEdges(s *Server, ctx context.Context, w http.ResponseWriter, req *http.Request) error {
	edges := s.Fleet.Edges()
	tag, err := edgesTag(edges)
	if err != nil {
		return err
	}
	if tag == req.Header.Get("If-None-Match") {
		if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
			return err
		}
		if edges = s.moved(ctx, req, edges); edges == nil {
			hurry(w)
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		if tag, err = edgesTag(edges); err != nil {
			return err
		}
	}
	w.Header().Set("ETag", tag)
	return reply(w, edges)
}

// moved waits until the edges are no longer what they were, and returns nil where they stay so.
func (s *Server) moved(ctx context.Context, req *http.Request, were []state.Edge) []state.Edge {
	ctx, cancel := context.WithTimeout(ctx, waitOf(req))
	defer cancel()
	look := time.NewTicker(edgesLook)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		case <-req.Context().Done():
			return nil
		}
		if now := s.Fleet.Edges(); !reflect.DeepEqual(now, were) {
			return now
		}
	}
}

// waitOf is how long a request would rather wait than hear that nothing is new.
func waitOf(req *http.Request) time.Duration {
	seconds, ok := strings.CutPrefix(req.Header.Get("Prefer"), "wait=")
	n, err := strconv.ParseUint(seconds, 10, 16)
	if !ok || err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, edgesMost)
}

// edgesTag names a state of the edges.
func edgesTag(edges []state.Edge) (string, error) {
	h := fnv.New64a()
	if err := json.NewEncoder(h).Encode(edges); err != nil {
		return "", fmt.Errorf("write edges: %w", err)
	}
	return strconv.Quote(strconv.FormatUint(h.Sum64(), 36)), nil
}

// Edges returns every caller and callee with what goes between them now.
func (c *Client) Edges(ctx context.Context) ([]state.Edge, error) {
	var edges []state.Edge
	err := c.quick(ctx, "/v1/edges", &edges)
	return edges, err
}

// EdgesAfter returns the edges when they are no longer what a tag stands for, with their own. Where they stay the same
// for a while it returns that tag again, and no edges. To the tag "" there is always something new.
func (c *Client) EdgesAfter(ctx context.Context, tag string) (edges []state.Edge, now string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, edgesWait+Answer, ErrNotAnswering)
	defer cancel()
	res, err := c.do(ctx, "GET", "/v1/edges", nil, "If-None-Match", tag, "Prefer", fmt.Sprintf("wait=%d", edgesWait/time.Second))
	if err != nil {
		if r := new(Refusal); errors.As(err, &r) && r.Status == http.StatusNotModified {
			return nil, tag, nil
		}
		return nil, "", err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&edges); err != nil {
		return nil, "", fmt.Errorf("read answer: %w", lost(ctx, err))
	}
	return edges, res.Header.Get("ETag"), nil
}
