package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsWire is NATS. An exchange is the first word of a subject, so that a stream or nobody may stand
// behind it.
type natsWire struct{ conn *nats.Conn }

func dialNATS(ctx context.Context, where string) (Wire, error) {
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

// Listen subscribes to the whole exchange.
func (n *natsWire) Listen(ctx context.Context, exchange, key string) (<-chan Message, error) {
	out := make(chan Message, 256)
	prefix := ""
	if exchange != "" {
		prefix = exchange + "."
	}
	_, err := n.conn.Subscribe(prefix+">", func(m *nats.Msg) {
		if strings.HasPrefix(m.Subject, "_INBOX.") || strings.HasPrefix(m.Subject, "$") {
			return
		}
		got := Message{Body: m.Data, Header: map[string]string{}, Subject: strings.TrimPrefix(m.Subject, prefix)}
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

// Send does not wait for a stream: nobody need stand behind the subject.
func (n *natsWire) Send(ctx context.Context, exchange, key string, m Message) error {
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

// Depth is what the durable consumer of that name has yet to be given, or has not acknowledged.
func (n *natsWire) Depth(ctx context.Context, queue string) (int, error) {
	js, err := jetstream.New(n.conn)
	if err != nil {
		return 0, err
	}
	durable := strings.ReplaceAll(queue, ".", "_")
	names := js.StreamNames(ctx)
	for stream := range names.Name() {
		c, err := js.Consumer(ctx, stream, durable)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		info, err := c.Info(ctx)
		if err != nil {
			return 0, err
		}
		return int(info.NumPending) + info.NumAckPending, nil
	}
	if err := names.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("no stream has a queue %q", queue)
}

// Close ends the connection.
func (n *natsWire) Close() { n.conn.Close() }
