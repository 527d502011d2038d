package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"msctl.dev/msctl/services/kit"
)

const eventsFor = 72 * time.Hour // how long events are kept for consumers that are away

// streams are the exchanges of the fleet as JetStream knows them.
var streams = []jetstream.StreamConfig{
	{Name: kit.Events, Subjects: []string{kit.Events + ".>"}, MaxAge: eventsFor},
	{
		Name: kit.Notifications, Subjects: []string{kit.Notifications + ".>"},
		Retention: jetstream.WorkQueuePolicy,
	},
}

// jet is the broker behind a nats URL.
type jet struct {
	conn *nats.Conn
	js   jetstream.JetStream
	log  *slog.Logger
}

func dialNATS(ctx context.Context, url string, log *slog.Logger) (broker, error) {
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
		nats.PingInterval(5*time.Second), nats.MaxPingsOutstanding(2))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	j := &jet{conn: conn, js: js, log: log}
	if err := j.declare(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return j, nil
}

// declare makes the streams that are not there. One that is there is left alone, as long as it takes the
// same subjects: a dozen services that start at once would else update it a dozen times.
func (j *jet) declare(ctx context.Context) error {
	for _, s := range streams {
		if err := j.declareOne(ctx, s); err != nil {
			return fmt.Errorf("declare stream %s: %w", s.Name, err)
		}
	}
	return nil
}

func (j *jet) declareOne(ctx context.Context, want jetstream.StreamConfig) error {
	have, err := j.js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		_, err = j.js.CreateStream(ctx, want)
	case err == nil && !slices.Equal(have.CachedInfo().Config.Subjects, want.Subjects):
		_, err = j.js.UpdateStream(ctx, want)
	}
	return err
}

// confirmFor is how long a stream may take to acknowledge a message, before it is published again.
const confirmFor = 2 * time.Second

// publish waits for the stream's acknowledgement. The broker itself drops a second copy of an id in
// the same place within two minutes, unless it was requeued.
func (j *jet) publish(ctx context.Context, m kit.Message) error {
	msg := nats.NewMsg(m.Exchange + "." + m.Key)
	msg.Data = m.Body
	for k, v := range m.Header {
		msg.Header.Set(k, v)
	}
	msg.Header.Set(nats.MsgIdHdr, m.Key+":"+m.ID+":"+m.Header[kit.HeaderRequeued])
	wait, cancel := context.WithTimeout(ctx, confirmFor)
	defer cancel()
	_, err := j.js.PublishMsg(wait, msg)
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) {
		err = errors.Join(err, j.declare(ctx)) // a broker that lost its data has no stream
	}
	return err
}

func (j *jet) subscriber(q queue) message.Subscriber { return &jetSubscriber{jet: j, queue: q} }

func (j *jet) alive() error {
	if !j.conn.IsConnected() {
		return errors.New("not connected")
	}
	return nil
}

func (j *jet) close() error { j.conn.Close(); return nil }

// consumer returns the queue's durable consumer, made where it is not there. Servers before 2.10 know one
// filter alone: they send all events, and the subscriber leaves out what is not the queue's.
func (j *jet) consumer(ctx context.Context, q queue) (jetstream.Consumer, error) {
	stream, subjects := q.subjects()
	config := jetstream.ConsumerConfig{
		Durable:    strings.ReplaceAll(q.name, ".", "_"), // a dot may not be in a name
		AckPolicy:  jetstream.AckExplicitPolicy,
		AckWait:    q.silence,
		MaxDeliver: -1,
	}
	if len(subjects) == 1 {
		config.FilterSubject = subjects[0]
	} else {
		config.FilterSubjects = subjects
	}
	c, err := j.js.CreateOrUpdateConsumer(ctx, stream, config)
	if errors.Is(err, jetstream.ErrConsumerMultipleFilterSubjectsNotSupported) {
		config.FilterSubjects = nil
		return j.js.CreateOrUpdateConsumer(ctx, stream, config)
	}
	return c, err
}

// subjects returns the stream that holds the queue's messages, and the subjects of these.
func (q queue) subjects() (stream string, subjects []string) {
	if len(q.events) == 0 {
		return kit.Notifications, []string{kit.Notifications + "." + q.name}
	}
	for _, key := range q.events {
		subjects = append(subjects, kit.Events+"."+strings.ReplaceAll(key, "#", ">"))
	}
	return kit.Events, subjects
}

// takes reports whether a message of that subject is the queue's.
func (q queue) takes(subject string) bool {
	_, subjects := q.subjects()
	return slices.ContainsFunc(subjects, func(pattern string) bool { return matches(pattern, subject) })
}

// matches reports whether a subject is one of the pattern: * stands for one word, > for one or more.
func matches(pattern, subject string) bool {
	want, more, open := strings.Cut(pattern, ".")
	have, rest, deeper := strings.Cut(subject, ".")
	switch {
	case want == ">":
		return true
	case want != "*" && want != have || open != deeper:
		return false
	}
	return !open || matches(more, rest)
}

// jetSubscriber reads one message at a time. Watermill's own subscriber for JetStream is not used:
// it may send on a closed channel while it stops, and gives up a message that takes long.
type jetSubscriber struct {
	jet   *jet
	queue queue
	wg    sync.WaitGroup
}

// Subscribe implements message.Subscriber.
func (s *jetSubscriber) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	c, err := s.jet.consumer(ctx, s.queue)
	if err != nil {
		return nil, errors.Join(err, s.jet.declare(ctx)) // for the next try: the broker may have lost its data
	}
	out := make(chan *message.Message)
	s.wg.Go(func() {
		defer close(out)
		for ctx.Err() == nil {
			if err := s.read(ctx, c, out); err != nil && ctx.Err() == nil {
				s.jet.log.Warn("consumer interrupted", "queue", s.queue.name, "err", err)
				pause(ctx.Done(), 500*time.Millisecond)
				c = s.renew(ctx, c)
			}
		}
	})
	return out, nil
}

// Close implements message.Subscriber; the context of Subscribe ends it.
func (s *jetSubscriber) Close() error { s.wg.Wait(); return nil }

// renew declares everything again: the broker may have lost it.
func (s *jetSubscriber) renew(ctx context.Context, c jetstream.Consumer) jetstream.Consumer {
	if err := s.jet.declare(ctx); err != nil {
		return c
	}
	if again, err := s.jet.consumer(ctx, s.queue); err == nil {
		return again
	}
	return c
}

func (s *jetSubscriber) read(
	ctx context.Context, c jetstream.Consumer, out chan<- *message.Message,
) error {
	in, err := c.Messages(jetstream.PullMaxMessages(1),
		jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(time.Second))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, in.Stop)
	defer stop()
	defer in.Stop()
	for {
		msg, err := in.Next()
		if err != nil {
			return err
		}
		if !s.queue.takes(msg.Subject()) {
			err = msg.Ack()
		} else {
			err = deliver(ctx, msg, out, s.queue.silence/3)
		}
		if err != nil {
			return err
		}
	}
}

// deliver hands one message on and waits for its end, telling the broker every so often that the
// work goes on.
func deliver(
	ctx context.Context, in jetstream.Msg, out chan<- *message.Message, often time.Duration,
) error {
	msg := fromNATS(in)
	select {
	case out <- msg:
	case <-ctx.Done():
		return in.Nak()
	}
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		select {
		case <-msg.Acked():
			return in.Ack()
		case <-msg.Nacked():
			return in.Nak()
		case <-tick.C:
			if err := in.InProgress(); err != nil {
				return err
			}
		}
	}
}

func fromNATS(in jetstream.Msg) *message.Message {
	header := in.Headers()
	msg := message.NewMessage(header.Get(kit.HeaderID), in.Data())
	for k := range header {
		if k != nats.MsgIdHdr {
			msg.Metadata.Set(k, header.Get(k))
		}
	}
	exchange, key, _ := strings.Cut(in.Subject(), ".")
	msg.Metadata.Set(metaExchange, exchange)
	msg.Metadata.Set(metaKey, key)
	return msg
}
