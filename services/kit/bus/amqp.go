package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"

	"msctl.dev/msctl/services/kit"
)

// rabbit is the broker behind an amqp URL. Watermill connects and consumes; its "topic" is a queue's name.
type rabbit struct {
	url  string
	log  watermill.LoggerAdapter
	line *line
	conn *wamqp.ConnectionWrapper

	submits chan struct{} // has one for each message that is on its way
	last    sync.Once     // takes them all
}

func dialAMQP(ctx context.Context, url string, log *slog.Logger) (broker, error) {
	r := &rabbit{url: url, log: quiet(log), line: &line{}, submits: make(chan struct{}, submitMost)}
	conn, err := wamqp.NewConnection(wamqp.ConnectionConfig{
		AmqpURI:    url,
		AmqpConfig: &amqp.Config{Heartbeat: 5 * time.Second, Locale: "en_US", Dial: r.line.dial},
		Reconnect: &wamqp.ReconnectConfig{
			BackoffInitialInterval: 100 * time.Millisecond, BackoffMultiplier: 1.5,
			BackoffRandomizationFactor: 0.5, BackoffMaxInterval: 2 * time.Second,
		},
	}, r.log)
	if err != nil {
		return nil, err
	}
	r.conn = conn
	if err := r.declare(); err != nil {
		conn.Close()
		return nil, err
	}
	return r, nil
}

// quiet hands Watermill's remarks on, one step less loud: it retries what it complains of.
func quiet(log *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(log, map[slog.Level]slog.Level{
		slog.LevelError: slog.LevelWarn, slog.LevelInfo: slog.LevelDebug,
		slog.LevelDebug: slog.LevelDebug - 4, watermill.LevelTrace: slog.LevelDebug - 8,
	})
}

func (r *rabbit) config(q queue) wamqp.Config {
	return wamqp.Config{
		Marshaler:       amqpMarshaler{},
		Exchange:        wamqp.ExchangeConfig{GenerateName: wamqp.GenerateExchangeNameConstant("")}, // see topology
		Queue:           wamqp.QueueConfig{GenerateName: wamqp.GenerateQueueNameTopicName},
		QueueBind:       wamqp.QueueBindConfig{GenerateRoutingKey: func(string) string { return "" }},
		Consume:         wamqp.ConsumeConfig{Qos: wamqp.QosConfig{PrefetchCount: 1}},
		TopologyBuilder: topology{q},
	}
}

// declare makes the exchanges and the queues that every service knows, so that nothing that is
// published before a consumer's first start is lost.
func (r *rabbit) declare() error {
	ch, err := r.conn.Connection().Channel()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer ch.Close()
	return declareAll(ch, queue{})
}

func declareAll(ch *amqp.Channel, own queue) error {
	for name, kind := range map[string]string{kit.Events: "topic", kit.Notifications: "direct"} {
		if err := ch.ExchangeDeclare(name, kind, true, false, false, false, nil); err != nil {
			return fmt.Errorf("declare exchange %s: %w", name, err)
		}
	}
	for _, name := range []string{kit.EmailQueue, kit.PushQueue, kit.FailedQueue} {
		if err := declareQueue(ch, name, kit.Notifications, []string{name}); err != nil {
			return err
		}
	}
	if len(own.events) == 0 {
		return nil
	}
	return declareQueue(ch, own.name, kit.Events, own.events)
}

// declareQueue makes a durable queue; what a consumer rejects goes to the failed queue.
func declareQueue(ch *amqp.Channel, name, exchange string, keys []string) error {
	var args amqp.Table
	if name != kit.FailedQueue {
		args = amqp.Table{
			"x-dead-letter-exchange":    kit.Notifications,
			"x-dead-letter-routing-key": kit.FailedQueue,
		}
	}
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		return fmt.Errorf("declare queue %s: %w", name, err)
	}
	for _, key := range keys {
		if err := ch.QueueBind(name, key, exchange, false, nil); err != nil {
			return fmt.Errorf("bind queue %s to %s: %w", name, key, err)
		}
	}
	return nil
}

// topology declares everything anew each time a consumer connects.
type topology struct{ own queue }

func (t topology) BuildTopology(ch *amqp.Channel, _ wamqp.BuildTopologyParams, _ wamqp.Config,
	_ watermill.LoggerAdapter,
) error {
	return declareAll(ch, t.own)
}

func (t topology) ExchangeDeclare(*amqp.Channel, string, wamqp.Config) error { return nil }

func (r *rabbit) subscriber(q queue) message.Subscriber {
	sub, err := wamqp.NewSubscriberWithConnection(r.config(q), r.log, r.conn)
	if err != nil {
		panic(fmt.Sprintf("bus: subscriber's configuration: %v", err)) // it is our own, and constant
	}
	return sub
}

func (r *rabbit) alive() error {
	if r.connection() == nil {
		return errAway
	}
	return nil
}

var errAway = errors.New("not connected")

// connection is what is below Watermill's, nil while there is none.
func (r *rabbit) connection() (conn *amqp.Connection) {
	r.line.up(func() bool {
		if r.conn.IsConnected() {
			conn = r.conn.Connection()
		}
		return conn != nil
	})
	return conn
}

// amqpMarshaler puts the ids where other languages' clients look for them.
type amqpMarshaler struct{}

func (amqpMarshaler) Marshal(msg *message.Message) (amqp.Publishing, error) {
	headers := amqp.Table{}
	for k, v := range msg.Metadata {
		headers[k] = v
	}
	return amqp.Publishing{
		MessageId:     msg.UUID,
		CorrelationId: msg.Metadata.Get(kit.HeaderCorrelation),
		ContentType:   "application/json",
		DeliveryMode:  amqp.Persistent,
		Timestamp:     time.Now(),
		Headers:       headers,
		Body:          msg.Payload,
	}, nil
}

func (amqpMarshaler) Unmarshal(d amqp.Delivery) (*message.Message, error) {
	if d.Acknowledger == nil {
		return nil, errors.New("the channel was closed")
	}
	msg := message.NewMessage(d.MessageId, d.Body)
	for k, v := range d.Headers {
		if s, ok := v.(string); ok { // others are the broker's, such as x-death
			msg.Metadata.Set(k, s)
		}
	}
	if msg.UUID == "" {
		msg.UUID = msg.Metadata.Get(kit.HeaderID)
	}
	msg.Metadata.Set(metaExchange, d.Exchange)
	msg.Metadata.Set(metaKey, d.RoutingKey)
	return msg, nil
}
