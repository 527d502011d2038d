package proxy

import (
	"context"
	"fmt"
	"time"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// carryBytes connects one caller to a target for as long as both want, and reads along where the protocol
// is one that package sniff knows.
func (e *Edge) carryBytes(ctx context.Context, s *serving, client *wire) {
	call := e.begin(time.Now(), "tcp")
	server, t, err := e.dial(ctx)
	if err != nil {
		abort(client.conn)
		call.Name, call.Protocol = "connect", e.protocol()
		call.Err = fmt.Sprintf("connect %s: %v", e.To, err)
		e.end(call)
		return
	}
	defer t.busy.Add(-1)
	if !s.add(server) {
		e.end(call)
		return
	}
	defer s.drop(server)
	defer server.Close()
	e.tunnel(ctx, t, client, newWire(server, 0), call)
}

// tunnel carries both directions of a connection to their end.
func (e *Edge) tunnel(ctx context.Context, t *target, client, server *wire, call *call) {
	f := &flow{e: e, link: client.unlink(), client: client, server: server}
	if p := sniff.New(e.Protocol); p != nil && call != nil {
		f.watch = &watch{e: e, parser: p, unit: t.unit}
		f.talk = newTalk(f, p)
		e.forget(call)
		call = nil
	}
	sent, received := f.run()
	f.watch.end()
	if call == nil {
		return
	}
	call.Unit, call.Sent, call.Received, call.Faults = t.unit, sent, received, f.faults
	if f.broken != nil && ctx.Err() == nil {
		call.Err = f.broken.Error()
	}
	e.end(call)
}
