package kit

import (
	"context"
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

// The exchanges and queues of the fleet. On RabbitMQ they are just that; on NATS an exchange is a
// stream of the same name, "events.<key>" and "notifications.<queue>" are its subjects.
const (
	Events        = "events"        // topic exchange: facts, by keys such as "user.updated"
	Notifications = "notifications" // direct exchange: work, by the name of its queue

	EmailQueue  = "email.queue"
	PushQueue   = "push.queue"
	FailedQueue = "failed.queue" // what could not be done, with the headers below
)

// Headers of a message. All values are strings; on RabbitMQ the id is also the property message_id
// and the correlation id the property correlation_id.
const (
	HeaderID          = "message-id"
	HeaderCorrelation = "correlation-id"
	HeaderTrace       = "traceparent"

	HeaderFailedReason   = "failed-reason"
	HeaderFailedQueue    = "failed-queue"    // where it came from
	HeaderFailedAttempts = "failed-attempts" // how often it was tried
	HeaderFailedExchange = "failed-exchange" // where it was published at first
	HeaderFailedKey      = "failed-key"

	// HeaderRequeued counts how often a failed message was sent again under its old id.
	HeaderRequeued = "requeued"
)

// Message is one message: JSON under an id by which a consumer knows a second delivery.
type Message struct {
	ID       string
	Exchange string // Events or Notifications
	Key      string // routing key, or the name of the queue
	Header   map[string]string
	Body     []byte
}

// NewEvent makes a message that tells what happened, with a new id and ctx's trace and correlation
// id. Keys are noun.verb: "user.updated".
func NewEvent(ctx context.Context, key string, body any) (Message, error) {
	return newMessage(ctx, Events, key, body)
}

// NewTask makes a message that asks the consumers of queue to do something.
func NewTask(ctx context.Context, queue string, body any) (Message, error) {
	return newMessage(ctx, Notifications, queue, body)
}

func newMessage(ctx context.Context, exchange, key string, body any) (Message, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return Message{}, fmt.Errorf("encode %s: %w", key, err)
	}
	m := Message{ID: NewID(), Exchange: exchange, Key: key, Header: map[string]string{}, Body: data}
	m.Carry(ctx)
	return m, nil
}

// Carry puts ctx's trace and correlation id into the headers.
func (m Message) Carry(ctx context.Context) {
	otel.GetTextMapPropagator().Inject(ctx, propagation.MapCarrier(m.Header))
	if id := Correlation(ctx); id != "" {
		m.Header[HeaderCorrelation] = id
	}
}

// Context returns ctx with the trace and correlation id that the message carries.
func (m Message) Context(ctx context.Context) context.Context {
	ctx = otel.GetTextMapPropagator().Extract(ctx, propagation.MapCarrier(m.Header))
	return WithCorrelation(ctx, m.Header[HeaderCorrelation])
}

// Decode reads the body into out.
func (m Message) Decode(out any) error {
	if err := json.Unmarshal(m.Body, out); err != nil {
		return fmt.Errorf("decode %s %s: %w", m.Key, m.ID, err)
	}
	return nil
}

// Publisher sends messages and returns once the broker has them all. A message that is sent twice
// after an error keeps its id.
type Publisher interface {
	Publish(ctx context.Context, ms ...Message) error
}
