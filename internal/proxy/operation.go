package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
)

// Bounds of the operations that an edge remembers, and of the path that a call carries.
const (
	maxNames = 256
	maxPath  = 1 << 10 // bytes
)

// names remembers the operations of an edge, so that those that come again are not named again. Its zero
// value is empty; it is safe for concurrent use.
type names struct {
	mu   sync.Mutex
	seen map[string]*operation
}

// operation is one method and path as calls carry it.
type operation struct {
	name  string
	attrs []Attr
	grpc  bool // its status is that of gRPC

	mu   sync.Mutex
	code int    // of the newest answer
	full []Attr // attrs with it
}

// of returns the operation of a request, whose head is at the front of b.
func (n *names) of(h *head, b []byte, host string) *operation {
	method, target := h.method.of(b), h.target.of(b)
	end := bytes.IndexAny(target, "?#")
	if end < 0 {
		end = len(target)
	}
	if target[0] != '/' || end > maxPath {
		return newOperation(string(method), pathOf(string(target)), h.minor, host)
	}
	return remember(n, b[:h.target.a+end], func() *operation {
		return newOperation(string(method), string(target[:end]), h.minor, host)
	})
}

// remember returns the operation of a key, made where it is new.
func remember[K string | []byte](n *names, key K, make func() *operation) *operation {
	n.mu.Lock()
	defer n.mu.Unlock()
	op := n.seen[string(key)]
	if op == nil {
		if n.seen == nil || len(n.seen) >= maxNames {
			n.seen = map[string]*operation{}
		}
		op = make()
		n.seen[string(key)] = op
	}
	return op
}

func newOperation(method, path string, minor int, host string) *operation {
	route := template(path)
	return &operation{name: method + " " + route, attrs: []Attr{
		{"http.request.method", method},
		{"url.path", path[:min(len(path), maxPath)]},
		{"url.template", route},
		{"server.address", host},
		{"network.protocol.version", "1." + strconv.Itoa(minor)},
	}}
}

// answered returns the attributes with an answer's status; 0 is none, but for gRPC.
func (o *operation) answered(code int) []Attr {
	if code == 0 && !o.grpc {
		return o.attrs
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.code != code || o.full == nil {
		o.code, o.full = code, append(slices.Clip(o.attrs), o.status(code))
	}
	return o.full
}

func (o *operation) status(code int) Attr {
	if o.grpc {
		return Attr{"rpc.response.status_code", grpcCode(code)}
	}
	return Attr{"http.response.status_code", strconv.Itoa(code)}
}
