package proxy

import "context"

// serveH2 serves a connection that began with the preface of HTTP/2. It is carried as bytes.
func (e *Edge) serveH2(ctx context.Context, s *serving, client *wire) {
	e.carryBytes(ctx, s, client)
}
