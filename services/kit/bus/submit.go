package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"msctl.dev/msctl/services/kit"
)

// submitMost is how many messages are at once on their way to a RabbitMQ. Each has a channel of its own, of which a
// connection has 2047.
const submitMost = 64

// farewellFor is how long a RabbitMQ may take to answer that the connection ends.
const farewellFor = 2 * time.Second

// publish waits for the confirmation as long as on NATS: one that is lost does not come later. The client's calls
// heed no context, and a server that stands still, as it does before who publishes while it is short of memory, would
// hold them for as long: they are made behind, and those that nobody waits for any more end with the connection.
func (r *rabbit) publish(ctx context.Context, m kit.Message) error {
	conn := r.connection()
	if conn == nil {
		return errAway
	}
	p, err := amqpMarshaler{}.Marshal(toWatermill(m))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, confirmFor)
	defer cancel()
	select {
	case r.submits <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for broker: %w", ctx.Err())
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-r.submits }()
		r.submit(ctx, conn, m, p, done)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for broker: %w", ctx.Err())
	}
}

// submit publishes on a channel of its own, tells done what became of it, and closes the channel.
func (r *rabbit) submit(ctx context.Context, conn *amqp.Connection, m kit.Message, p amqp.Publishing, done chan<- error) {
	ch, err := conn.Channel()
	if err != nil {
		err = fmt.Errorf("open channel: %w", err)
	} else {
		defer ch.Close()
		err = confirmed(ctx, ch, m, p)
	}
	if err != nil && ctx.Err() == nil && r.alive() == nil {
		err = errors.Join(err, r.declare()) // a broker that lost its data has no exchange
	}
	done <- err
}

// confirmed publishes unless ctx has ended by then, and waits for the confirmation.
func confirmed(ctx context.Context, ch *amqp.Channel, m kit.Message, p amqp.Publishing) error {
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirmations: %w", err)
	}
	sent, err := ch.PublishWithDeferredConfirmWithContext(ctx, m.Exchange, m.Key, false, false, p)
	if err != nil {
		return err
	}
	if taken, err := sent.WaitContext(ctx); err != nil {
		return fmt.Errorf("wait for confirmation: %w", err)
	} else if !taken {
		return errors.New("not confirmed")
	}
	return nil
}

// close ends the connection, and with it all that is still on its way. A server that does not answer the farewell
// is left without one.
func (r *rabbit) close() error {
	late := time.AfterFunc(farewellFor, r.line.cut)
	defer late.Stop()
	err := r.conn.Close()
	r.last.Do(func() {
		for range cap(r.submits) { // from here on none begins
			r.submits <- struct{}{}
		}
	})
	return err
}
