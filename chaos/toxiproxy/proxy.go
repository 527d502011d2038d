package toxiproxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// shown is a proxy in Toxiproxy's shape.
type shown struct {
	Name     string   `json:"name"`
	Listen   string   `json:"listen"`
	Upstream string   `json:"upstream"`
	Enabled  bool     `json:"enabled"`
	Toxics   []*toxic `json:"toxics"`
}

// wanted is what a client asks of a proxy. A nil Enabled is yes for a new one.
type wanted struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  *bool  `json:"enabled"`
}

func (w wanted) enabled() bool { return w.Enabled == nil || *w.Enabled }

// proxied is a proxy of either sort. Its methods are safe for concurrent use; each one that changes toxics
// has done so, for open connections too, when it returns.
type proxied interface {
	show() shown
	update(ctx context.Context, w wanted) error
	change(ctx context.Context, edit func(chain) (chain, error)) error
	reset(ctx context.Context) error
}

// chain is the toxics of a proxy, those of the upstream first and else in the order in which they came. It
// is never changed in place.
type chain []*toxic

func (c chain) find(name string) *toxic {
	for _, t := range c {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// with returns the chain with one more.
func (c chain) with(t *toxic) chain {
	at := len(c)
	if t.up() {
		for at = 0; at < len(c) && c[at].up(); at++ {
		}
	}
	out := make(chain, 0, len(c)+1)
	return append(append(append(out, c[:at]...), t), c[at:]...)
}

// swapped returns the chain with a toxic in the place of another, or without it where to is nil.
func (c chain) swapped(from, to *toxic) chain {
	out := make(chain, 0, len(c))
	for _, t := range c {
		switch {
		case t != from:
			out = append(out, t)
		case to != nil:
			out = append(out, to)
		}
	}
	return out
}

// shown is never null in JSON.
func (c chain) shown() []*toxic { return append([]*toxic{}, c...) }

// all returns every proxy by the name that clients know.
func (s *Server) all(ctx context.Context) (map[string]proxied, error) {
	err := s.look(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]proxied, len(s.free)+len(s.edges))
	for _, e := range s.edges {
		out[e.title] = e
	}
	for name, f := range s.free {
		out[name] = f
	}
	return out, err
}

// find returns a proxy.
func (s *Server) find(ctx context.Context, name string) (proxied, error) {
	s.mu.Lock()
	f := s.free[name]
	s.mu.Unlock()
	if f != nil {
		return f, nil
	}
	all, err := s.all(ctx)
	if p := all[title(name)]; p != nil {
		return p, nil
	}
	return nil, errors.Join(err, errProxyUnknown)
}

func (s *Server) list(r *http.Request, _, _ string) (answer, error) {
	all, err := s.all(r.Context())
	if err != nil {
		return answer{}, err
	}
	out := make(map[string]shown, len(all))
	for name, p := range all {
		out[name] = p.show()
	}
	return answer{http.StatusOK, out}, nil
}

func (s *Server) show(r *http.Request, name, _ string) (answer, error) {
	p, err := s.find(r.Context(), name)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, p.show()}, nil
}

func (s *Server) create(r *http.Request, _, _ string) (answer, error) {
	var w wanted
	if err := decode(r.Body, &w); err != nil {
		return answer{}, err
	}
	switch {
	case w.Name == "":
		return answer{}, missing("name")
	case w.Upstream == "":
		return answer{}, missing("upstream")
	}
	if _, err := s.find(r.Context(), w.Name); err == nil {
		return answer{}, errProxyExists
	}
	f, err := s.open(w)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, f.show()}, nil
}

func (s *Server) update(r *http.Request, name, _ string) (answer, error) {
	p, err := s.find(r.Context(), name)
	if err != nil {
		return answer{}, err
	}
	is := p.show()
	w := wanted{Listen: is.Listen, Upstream: is.Upstream, Enabled: &is.Enabled}
	if err := decode(r.Body, &w); err != nil {
		return answer{}, err
	}
	if err := p.update(r.Context(), w); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, p.show()}, nil
}

func (s *Server) remove(r *http.Request, name, _ string) (answer, error) {
	p, err := s.find(r.Context(), name)
	if err != nil {
		return answer{}, err
	}
	f, ok := p.(*free)
	if !ok {
		return answer{}, refuse(http.StatusForbidden, "proxy %s is an edge of the running fleet and cannot be deleted: disable it, or remove its toxics", name)
	}
	s.mu.Lock()
	delete(s.free, f.name)
	s.mu.Unlock()
	f.close()
	return answer{status: http.StatusNoContent}, nil
}

// reset enables every proxy and removes every toxic.
func (s *Server) reset(r *http.Request, _, _ string) (answer, error) {
	all, err := s.all(r.Context())
	if err != nil {
		return answer{}, err
	}
	for _, p := range all {
		if err := p.reset(r.Context()); err != nil {
			return answer{}, err
		}
	}
	return answer{status: http.StatusNoContent}, nil
}

// populated is the answer to populate: what was made before a refusal is in it too.
type populated struct {
	*refusal
	Proxies []shown `json:"proxies"`
}

// populate makes proxies. One that exists with the same listen and upstream is kept with its toxics, one
// with others is replaced.
func (s *Server) populate(r *http.Request, _, _ string) (answer, error) {
	out := populated{}
	var list []wanted
	err := decode(r.Body, &list)
	if err == nil {
		err = complete(list)
	}
	for i := 0; i < len(list) && err == nil; i++ {
		var p proxied
		if p, err = s.place(r.Context(), list[i]); err == nil {
			out.Proxies = append(out.Proxies, p.show())
		}
	}
	if err == nil {
		return answer{http.StatusCreated, out}, nil
	}
	if !errors.As(err, &out.refusal) {
		out.refusal = &refusal{err.Error(), http.StatusInternalServerError}
	}
	return answer{out.Status, out}, nil
}

func complete(list []wanted) error {
	for i, w := range list {
		switch {
		case w.Name == "":
			return missing(fmt.Sprintf("name at proxy %d", i+1))
		case w.Upstream == "":
			return missing(fmt.Sprintf("upstream at proxy %d", i+1))
		}
	}
	return nil
}

// place keeps, replaces or makes one proxy.
func (s *Server) place(ctx context.Context, w wanted) (proxied, error) {
	p, err := s.find(ctx, w.Name)
	if err != nil {
		return s.open(w)
	}
	f, ok := p.(*free)
	if !ok {
		is := p.show()
		w.Enabled = &is.Enabled
		return p, p.update(ctx, w)
	}
	same, err := f.same(w)
	if err != nil || same {
		return f, err
	}
	f.close()
	s.mu.Lock()
	delete(s.free, w.Name)
	s.mu.Unlock()
	return s.open(w)
}

// open makes a free proxy and, unless it is wanted disabled, its listener.
func (s *Server) open(w wanted) (*free, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free[w.Name] != nil {
		return nil, errProxyExists
	}
	f := &free{s: s, name: w.Name, listen: w.Listen, upstream: w.Upstream}
	if w.enabled() {
		if err := f.start(s.run, &s.wait); err != nil {
			return nil, err
		}
	}
	if s.free == nil {
		s.free = map[string]*free{}
	}
	s.free[w.Name] = f
	return f, nil
}
