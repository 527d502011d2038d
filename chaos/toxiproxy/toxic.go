package toxiproxy

import (
	"encoding/json"
	"net/http"
	"strings"

	"msctl.dev/msctl/internal/state"
)

// toxic is a toxic in Toxiproxy's shape.
type toxic struct {
	Attributes attributes `json:"attributes"`
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Stream     string     `json:"stream"`
	Toxicity   float32    `json:"toxicity"`
}

func (t *toxic) up() bool { return strings.EqualFold(t.Stream, "upstream") }

// fault is what the toxic does, on a target, in the words of package chaos. Not ok: it does nothing.
func (t *toxic) fault(target, id string) (f state.Fault, ok bool) {
	kind, params := t.Attributes.fault()
	if kind == "" || t.Toxicity <= 0 {
		return f, false
	}
	f = state.Fault{ID: id, Target: target, Kind: kind, Params: params, Stream: "down", Toxicity: min(float64(t.Toxicity), 1)}
	if t.up() {
		f.Stream = "up"
	}
	return f, true
}

// asked is what a client says of a toxic. Its attributes are read when their type is known.
type asked struct {
	Attributes json.RawMessage `json:"attributes"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Stream     string          `json:"stream"`
	Toxicity   float32         `json:"toxicity"`
}

// newToxic makes what a client asks for, with Toxiproxy's defaults and in its order of refusals.
func newToxic(a asked, c chain) (*toxic, error) {
	t := &toxic{Name: a.Name, Type: a.Type, Stream: a.Stream, Toxicity: a.Toxicity}
	if s := strings.ToLower(a.Stream); s != "upstream" && s != "downstream" {
		return nil, errStream
	}
	if t.Name == "" {
		t.Name = t.Type + "_" + t.Stream
	}
	if a.Type == "packet_loss" {
		return nil, errPacketLoss
	}
	if t.Attributes = attributesOf(a.Type); t.Attributes == nil {
		return nil, errToxicType
	}
	if c.find(t.Name) != nil {
		return nil, errToxicExists
	}
	return t, t.read(a.Attributes)
}

// read takes attributes over; those that are not said stay.
func (t *toxic) read(text json.RawMessage) error {
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, t.Attributes); err != nil {
		return badBody(err)
	}
	return nil
}

// changed returns the toxic with other attributes and toxicity; its name, type and stream stay.
func (t *toxic) changed(a asked) (*toxic, error) {
	next := *t
	next.Toxicity = a.Toxicity
	next.Attributes = t.Attributes.copy()
	return &next, next.read(a.Attributes)
}

func (s *Server) toxics(r *http.Request, proxy, _ string) (answer, error) {
	p, err := s.find(r.Context(), proxy)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, p.show().Toxics}, nil
}

func (s *Server) addToxic(r *http.Request, proxy, _ string) (answer, error) {
	var t *toxic
	return s.edit(r, proxy, func(c chain) (chain, *toxic, error) {
		a := asked{Stream: "downstream", Toxicity: 1}
		if err := decode(r.Body, &a); err != nil {
			return nil, nil, err
		}
		var err error
		if t, err = newToxic(a, c); err != nil {
			return nil, nil, err
		}
		return c.with(t), t, nil
	})
}

func (s *Server) showToxic(r *http.Request, proxy, name string) (answer, error) {
	p, err := s.find(r.Context(), proxy)
	if err != nil {
		return answer{}, err
	}
	t := chain(p.show().Toxics).find(name)
	if t == nil {
		return answer{}, errToxicUnknown
	}
	return answer{http.StatusOK, t}, nil
}

func (s *Server) updateToxic(r *http.Request, proxy, name string) (answer, error) {
	return s.edit(r, proxy, func(c chain) (chain, *toxic, error) {
		t := c.find(name)
		if t == nil {
			return nil, nil, errToxicUnknown
		}
		a := asked{Toxicity: t.Toxicity}
		if err := decode(r.Body, &a); err != nil {
			return nil, nil, err
		}
		next, err := t.changed(a)
		if err != nil {
			return nil, nil, err
		}
		return c.swapped(t, next), next, nil
	})
}

func (s *Server) removeToxic(r *http.Request, proxy, name string) (answer, error) {
	a, err := s.edit(r, proxy, func(c chain) (chain, *toxic, error) {
		t := c.find(name)
		if t == nil {
			return nil, nil, errToxicUnknown
		}
		return c.swapped(t, nil), nil, nil
	})
	if err != nil {
		return a, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// edit changes the toxics of a proxy and answers with the one that do returns.
func (s *Server) edit(r *http.Request, name string, do func(chain) (chain, *toxic, error)) (answer, error) {
	p, err := s.find(r.Context(), name)
	if err != nil {
		return answer{}, err
	}
	var t *toxic
	err = p.change(r.Context(), func(c chain) (next chain, err error) {
		next, t, err = do(c)
		return next, err
	})
	return answer{http.StatusOK, t}, err
}
