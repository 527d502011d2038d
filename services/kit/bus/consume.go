package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/services/kit"
)

// Consumer says what a service reads and how often it tries.
type Consumer struct {
	// Queue is one of the fleet's queues, or the service's own queue for events, such as
	// "orders.events". Replicas share it.
	Queue string
	// Events are the keys of events that come to Queue, "user.updated" or "user.*". Empty: Queue is
	// one of the notifications exchange.
	Events []string
	// Workers is how many messages one replica handles at once. 0 means 4.
	Workers int
	// Attempts is how often a message is tried before it goes to the failed queue. 0 means 5.
	Attempts int
	// Waits says that a try does not count that fails because what Handle needs is away ([kit.Away]), or
	// does not answer in time. It is for a Handle that needs no more than the service's own database: while
	// that is away or hangs no other message could be handled either, and all of them would end in the
	// failed queue. A message that always takes longer than Timeout is tried for ever.
	Waits bool
	// Backoff is the first delay between tries; it doubles, to at most 32 times. 0 means 200 ms.
	Backoff time.Duration
	// Timeout bounds one try. 0 means 20 s.
	Timeout time.Duration
	// Silence is how long NATS waits for a sign of life before it takes a consumer for dead and
	// gives its message to another. RabbitMQ sees the connection end. 0 means 30 s.
	Silence time.Duration
	// Handle does the work. A message may come twice: use db.Once or the like. An error is tried
	// again unless it is [Permanent].
	Handle func(ctx context.Context, m kit.Message) error
	// GaveUp, if set, is told of a message before it goes to the failed queue, after that many
	// tries. Its error keeps the message where it is, to be tried again.
	GaveUp func(ctx context.Context, m kit.Message, cause error, attempts int) error
}

// permanent is an error that no further try mends.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks err as one that no further try mends: the message goes to the failed queue at
// once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// errStopping says that the service stopped between two tries: the message goes back.
var errStopping = errors.New("stopping")

// Consume returns the part of a service that handles messages until its context ends. Messages in
// flight are then finished within the grace; those that wait for another try go back to the queue.
//
// The service is not ready before its queue is there: what RabbitMQ is told earlier, no queue keeps. A
// broker that is away by then is tried again until it is back.
func (b *Bus) Consume(c Consumer) func(context.Context) error {
	c = c.withDefaults()
	var bound atomic.Pointer[error]
	bound.Store(new(errors.New("not there yet")))
	b.app.Check(c.Queue, func(context.Context) error { return *bound.Load() })
	return func(ctx context.Context) error {
		work, done := b.app.Draining(ctx)
		defer done()
		started, cancel := context.WithCancel(ctx)
		defer cancel()
		g, started := errgroup.WithContext(started)
		for range c.Workers {
			in := b.begin(started, c, func(err error) { bound.Store(&err) })
			if in == nil {
				return g.Wait()
			}
			g.Go(func() error {
				for msg := range in {
					if started.Err() != nil {
						msg.Nack() // it was on its way when the stop came
						continue
					}
					b.take(work, started.Done(), c, msg)
				}
				return nil
			})
		}
		bound.Store(new(error))
		return g.Wait()
	}
}

// How long a consumer that could not begin waits before it tries again.
const (
	subscribeAgain = 100 * time.Millisecond
	subscribeMost  = 2 * time.Second
)

// begin reads the consumer's queue as soon as the broker lets it. It returns nil where ctx ends before, and
// tells what it waits for.
func (b *Bus) begin(ctx context.Context, c Consumer, waits func(error)) <-chan *message.Message {
	for wait := subscribeAgain; ; wait = min(2*wait, subscribeMost) {
		in, err := b.subscribe(ctx, c)
		if err == nil {
			return in
		}
		if ctx.Err() != nil {
			return nil
		}
		waits(err)
		b.log.Warn("consumer waiting", "queue", c.Queue, "after", wait.String(), "err", err)
		if !pause(ctx.Done(), wait) {
			return nil
		}
	}
}

func (b *Bus) subscribe(ctx context.Context, c Consumer) (<-chan *message.Message, error) {
	if err := b.broker.alive(); err != nil {
		return nil, err
	}
	return b.broker.subscriber(queue{c.Queue, c.Events, c.Silence}).Subscribe(ctx, c.Queue)
}

func (c Consumer) withDefaults() Consumer {
	if c.Workers == 0 {
		c.Workers = 4
	}
	if c.Attempts == 0 {
		c.Attempts = 5
	}
	if c.Backoff == 0 {
		c.Backoff = 200 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Silence == 0 {
		c.Silence = 30 * time.Second
	}
	return c
}

// take handles one message to its end: done, failed with a reason, or given back.
func (b *Bus) take(work context.Context, stop <-chan struct{}, c Consumer, msg *message.Message) {
	m := fromWatermill(msg)
	ctx, span := b.tracer.Start(m.Context(work), "process "+c.Queue,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(describe(m)...))
	defer span.End()
	err := b.try(ctx, stop, c, m)
	if err == nil {
		b.log.InfoContext(ctx, "message done", "queue", c.Queue, "message", m.ID)
		msg.Ack()
		return
	}
	span.RecordError(err)
	if errors.Is(err, errStopping) {
		msg.Nack()
		return
	}
	if err := b.fail(ctx, c, m, err); err != nil {
		b.log.ErrorContext(ctx, "message given back", "queue", c.Queue, "message", m.ID, "err", err)
		pause(stop, time.Second) // it comes back at once
		msg.Nack()
		return
	}
	msg.Ack()
}

// exhausted is the last error of a message and how often it was tried.
type exhausted struct {
	error
	attempts int
}

func (e exhausted) Unwrap() error { return e.error }

// awayMost bounds the delay before a try where the one before it found the database away or hanging.
const awayMost = 2 * time.Second

func (b *Bus) try(ctx context.Context, stop <-chan struct{}, c Consumer, m kit.Message) error {
	wait := c.Backoff
	for n := 1; ; {
		err := b.handle(ctx, c, m)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errStopping
		}
		away := c.Waits && (kit.Away(err) || errors.Is(err, context.DeadlineExceeded)) // ctx has not ended, the try's has
		if errors.As(err, &permanent{}) || n >= c.Attempts && !away {
			return exhausted{err, n}
		}
		if away {
			wait = min(wait, awayMost)
		}
		delay := wait/2 + rand.N(wait)
		b.log.WarnContext(ctx, "message retried", "queue", c.Queue, "message", m.ID,
			"attempt", n, "after", delay.String(), "err", err)
		if !pause(stop, delay) {
			return errStopping
		}
		wait = min(2*wait, 32*c.Backoff)
		if !away {
			n++
		}
	}
}

// pause waits for d and reports whether it was left to.
func pause(stop <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

func (b *Bus) handle(ctx context.Context, c Consumer, m kit.Message) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("handle %s: panic: %v", m.Key, v)
		}
	}()
	return c.Handle(ctx, m)
}

// fail puts the message into the failed queue with the reason. A message that fails there, or whose
// reason cannot be stored, stays where it is.
func (b *Bus) fail(ctx context.Context, c Consumer, m kit.Message, cause error) error {
	attempts := 1
	var ex exhausted
	if errors.As(cause, &ex) {
		attempts = ex.attempts
	}
	b.log.ErrorContext(ctx, "message failed", "queue", c.Queue, "message", m.ID,
		"attempt", attempts, "err", cause)
	if c.Queue == kit.FailedQueue {
		return cause
	}
	if !b.app.On("dead-letters") {
		return nil
	}
	if c.GaveUp != nil {
		if err := c.GaveUp(ctx, m, cause, attempts); err != nil {
			return fmt.Errorf("tell of failure: %w", err)
		}
	}
	f := kit.Message{ID: m.ID, Exchange: kit.Notifications, Key: kit.FailedQueue, Body: m.Body}
	f.Header = map[string]string{}
	for k, v := range m.Header {
		f.Header[k] = v
	}
	f.Header[kit.HeaderFailedReason] = oneLine(cause.Error())
	f.Header[kit.HeaderFailedQueue] = c.Queue
	f.Header[kit.HeaderFailedAttempts] = strconv.Itoa(attempts)
	f.Header[kit.HeaderFailedExchange], f.Header[kit.HeaderFailedKey] = m.Exchange, m.Key
	return b.Publish(ctx, f)
}

// oneLine makes text fit for a header.
func oneLine(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r < ' ' || r == 0x7f {
			out[i] = ' '
		}
	}
	return string(out[:min(len(out), 500)])
}

// Keys of a message's place in Watermill's metadata.
const (
	metaExchange = "kit-exchange"
	metaKey      = "kit-key"
)

func toWatermill(m kit.Message) *message.Message {
	msg := message.NewMessage(m.ID, m.Body)
	for k, v := range m.Header {
		msg.Metadata.Set(k, v)
	}
	return msg
}

func fromWatermill(msg *message.Message) kit.Message {
	m := kit.Message{ID: msg.UUID, Body: msg.Payload, Header: map[string]string{},
		Exchange: msg.Metadata.Get(metaExchange), Key: msg.Metadata.Get(metaKey)}
	for k, v := range msg.Metadata {
		if k != metaExchange && k != metaKey {
			m.Header[k] = v
		}
	}
	if m.ID == "" {
		m.ID = kit.NewID() // a stranger's message: nobody can know it again
	}
	return m
}
