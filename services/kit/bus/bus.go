// Package bus connects a service to the broker of the stack by the scheme of its URL: amqp
// (RabbitMQ) or nats (JetStream). Publishing waits for the broker's confirmation; consuming is at
// least once, with retries and a failed queue.
package bus

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"msctl.dev/msctl/services/kit"
)

// Bus is a connection to the broker. It is safe for concurrent use, and connects again by itself.
type Bus struct {
	app    *kit.App
	log    *slog.Logger
	tracer trace.Tracer
	broker broker
}

// broker is what differs between RabbitMQ and NATS.
type broker interface {
	// publish sends m and returns once the broker has it.
	publish(ctx context.Context, m kit.Message) error
	// subscriber returns one consumer of a queue. It has one message in flight at a time; its
	// channel is closed after ctx ended and that message was acknowledged or not.
	subscriber(q queue) message.Subscriber
	alive() error
	close() error
}

// queue is where a consumer reads, and the keys of events that come to it.
type queue struct {
	name    string
	events  []string      // empty: a queue of the notifications exchange
	silence time.Duration // of a consumer that has died
}

// dialFor bounds the first connection.
const dialFor = 30 * time.Second

// Dial connects to the broker that the stack calls name ("broker" is at BROKER_URL) and declares
// exchanges and queues. A broker that is not there yet is waited for, half a minute at most. Close
// it when done.
//
// It is no readiness check: with an outbox a service takes requests while the broker is away. A
// service that only consumes adds [Bus.Ready] itself.
func Dial(ctx context.Context, app *kit.App, name string) (*Bus, error) {
	raw, err := app.Env.URL(name)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read URL of %s: it is not a URL", name) // err quotes the password
	}
	var dial func(context.Context, string, *slog.Logger) (broker, error)
	switch u.Scheme {
	case "amqp", "amqps":
		dial = dialAMQP
	case "nats", "tls":
		dial = dialNATS
	default:
		return nil, fmt.Errorf("connect %s: scheme %q is neither amqp nor nats", name, u.Scheme)
	}
	b := &Bus{app: app, log: app.Log, tracer: otel.Tracer("kit/bus")}
	if b.broker, err = patiently(ctx, app.Log, raw, dial); err != nil {
		return nil, fmt.Errorf("connect %s: %w", name, err)
	}
	return b, nil
}

func patiently(ctx context.Context, log *slog.Logger, raw string,
	dial func(context.Context, string, *slog.Logger) (broker, error),
) (broker, error) {
	ctx, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		b, err := dial(ctx, raw, log)
		if err == nil {
			return b, nil
		}
		log.Debug("broker awaited", "err", err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}

// Ready returns an error while the broker is away.
func (b *Bus) Ready(context.Context) error { return b.broker.alive() }

// Close ends the connection. Consumers must have ended.
func (b *Bus) Close() error { return b.broker.close() }

// Publish sends messages in order and returns once the broker has them all.
func (b *Bus) Publish(ctx context.Context, ms ...kit.Message) error {
	for _, m := range ms {
		if err := b.send(ctx, m); err != nil {
			return fmt.Errorf("publish %s: %w", m.Key, err)
		}
	}
	return nil
}

// send gives the message a span of its own below the one that it was made in.
func (b *Bus) send(ctx context.Context, m kit.Message) error {
	ctx, span := b.tracer.Start(m.Context(ctx), "publish "+m.Key,
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(describe(m)...))
	defer span.End()
	header := make(map[string]string, len(m.Header)+2)
	for k, v := range m.Header {
		header[k] = v
	}
	m.Header = header
	m.Carry(ctx)
	m.Header[kit.HeaderID] = m.ID
	err := b.broker.publish(ctx, m)
	if err != nil {
		span.RecordError(err)
	}
	return err
}

func describe(m kit.Message) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("messaging.destination.name", m.Exchange),
		attribute.String("messaging.routing_key", m.Key),
		attribute.String("messaging.message.id", m.ID),
		attribute.String("correlation.id", m.Header[kit.HeaderCorrelation]),
	}
}
