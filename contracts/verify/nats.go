package verify

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// natsWire is NATS. An exchange is the first word of a subject, so that a stream or nobody may stand
// behind it.
type natsWire struct{ conn *nats.Conn }

func dialNATS(ctx context.Context, where string) (wire, error) {
	wait := 5 * time.Second
	if until, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(until))
	}
	conn, err := nats.Connect(where, nats.NoReconnect(), nats.Timeout(wait))
	if err != nil {
		return nil, err
	}
	return &natsWire{conn}, nil
}

func (n *natsWire) listen(ctx context.Context, exchange, key string) (<-chan landed, error) {
	out := make(chan landed, 256)
	prefix := ""
	if exchange != "" {
		prefix = exchange + "."
	}
	_, err := n.conn.Subscribe(prefix+">", func(m *nats.Msg) {
		if strings.HasPrefix(m.Subject, "_INBOX.") || strings.HasPrefix(m.Subject, "$") {
			return
		}
		got := landed{Body: m.Data, Header: map[string]string{}, Subject: strings.TrimPrefix(m.Subject, prefix)}
		for name := range m.Header {
			got.Header[name] = m.Header.Get(name)
		}
		select {
		case out <- got:
		default: // far more than one trigger makes
		}
	})
	if err != nil {
		return nil, err
	}
	return out, n.conn.FlushWithContext(ctx)
}

func (n *natsWire) send(ctx context.Context, exchange, key string, m landed) error {
	subject := key
	if exchange != "" {
		subject = exchange + "." + key
	}
	msg := nats.NewMsg(subject)
	msg.Data = m.Body
	for name, value := range m.Header {
		msg.Header.Set(name, value)
	}
	if err := n.conn.PublishMsg(msg); err != nil {
		return err
	}
	return n.conn.FlushWithContext(ctx)
}

func (n *natsWire) close() { n.conn.Close() }
