package broker

import (
	"context"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// amqpWire is RabbitMQ.
type amqpWire struct {
	conn *amqp.Connection
	ch   *amqp.Channel
}

func dialAMQP(ctx context.Context, where string) (Wire, error) {
	conn, err := amqp.DialConfig(where, amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return c, c.SetDeadline(time.Now().Add(10 * time.Second)) // the client lifts it when it is open
	}})
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &amqpWire{conn, ch}, nil
}

// Listen binds a queue of this connection alone to the exchange: to all of it where it sorts by topic, and
// to the key.
func (a *amqpWire) Listen(_ context.Context, exchange, key string) (<-chan Message, error) {
	q, err := a.ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	for _, k := range []string{key, "#"} {
		if err := a.ch.QueueBind(q.Name, k, exchange, false, nil); err != nil {
			return nil, fmt.Errorf("bind to exchange %s: %w", exchange, err)
		}
	}
	in, err := a.ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, err
	}
	out := make(chan Message, 256)
	go func() {
		defer close(out)
		for d := range in {
			m := Message{Body: d.Body, Header: map[string]string{}, Subject: d.RoutingKey}
			for name, value := range d.Headers {
				m.Header[name] = fmt.Sprint(value)
			}
			select {
			case out <- m:
			default: // far more than one trigger makes
			}
		}
	}()
	return out, nil
}

// Send waits until the broker has the message.
func (a *amqpWire) Send(ctx context.Context, exchange, key string, m Message) error {
	if err := a.ch.Confirm(false); err != nil {
		return err
	}
	headers := amqp.Table{}
	for name, value := range m.Header {
		headers[name] = value
	}
	sent, err := a.ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, amqp.Publishing{
		ContentType: "application/json", MessageId: m.Header["message-id"], CorrelationId: m.Header["correlation-id"],
		DeliveryMode: amqp.Persistent, Headers: headers, Body: m.Body,
	})
	if err != nil {
		return err
	}
	if ok, err := sent.WaitContext(ctx); err != nil || !ok {
		return fmt.Errorf("the broker did not take it: %w", err)
	}
	return nil
}

// Depth declares nothing: a queue that is not there ends the channel, and is said.
func (a *amqpWire) Depth(_ context.Context, queue string) (int, error) {
	q, err := a.ch.QueueDeclarePassive(queue, false, false, false, false, nil)
	if err != nil {
		return 0, err
	}
	return q.Messages, nil
}

// Close ends the connection.
func (a *amqpWire) Close() { a.conn.Close() }
