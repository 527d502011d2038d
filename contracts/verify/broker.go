package verify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"msctl.dev/msctl/internal/broker"
)

// publish sends a message to the provider, as another service would.
func (t *Target) publish(ctx context.Context, a Action, p params) error {
	where, err := t.resource(a.Publish)
	if err != nil {
		return err
	}
	body, err := a.body(p)
	if err != nil {
		return fmt.Errorf("publish %s: %w", a.Key, err)
	}
	w, err := broker.Dial(ctx, where)
	if err != nil {
		return fmt.Errorf("connect %s: %w", a.Publish, err)
	}
	defer w.Close()
	id := rand.Text()
	m := broker.Message{Body: body, Header: map[string]string{"message-id": id, "correlation-id": id}}
	for name, value := range a.Header {
		if m.Header[name], err = p.text(value); err != nil {
			return fmt.Errorf("publish %s: %w", a.Key, err)
		}
	}
	key, err := p.text(a.Key)
	if err != nil {
		return fmt.Errorf("publish %s: %w", a.Key, err)
	}
	if err := w.Send(ctx, a.Exchange, key, m); err != nil {
		return fmt.Errorf("publish %s: %w", key, err)
	}
	return nil
}

// brokers returns the names of the resources that carry messages.
func (t *Target) brokers() []string {
	var out []string
	for _, name := range keys(t.Resources) {
		switch scheme, _, _ := strings.Cut(t.Resources[name], ":"); scheme {
		case "nats", "amqp", "amqps":
			out = append(out, name)
		}
	}
	return out
}

// errNotLanded is a provider that published nothing.
type errNotLanded struct {
	subject string
	others  []string
	after   time.Duration
}

func (e *errNotLanded) Error() string {
	text := fmt.Sprintf("nothing landed on %s within %v", e.subject, e.after)
	if len(e.others) > 0 {
		text += "; there landed " + strings.Join(e.others, ", ")
	}
	return text
}

// capture triggers the provider and returns what lands under a key. What else lands on the exchange is
// told where nothing does: a key that was renamed is seen by that.
func (t *Target) capture(ctx context.Context, trigger Trigger, exchange, key string, p params, wait time.Duration) (broker.Message, error) {
	where := t.Resources[t.brokers()[0]]
	w, err := broker.Dial(ctx, where)
	if err != nil {
		return broker.Message{}, fmt.Errorf("connect the broker: %w", err)
	}
	defer w.Close()
	lands, err := w.Listen(ctx, exchange, key)
	if err != nil {
		return broker.Message{}, fmt.Errorf("listen on %s: %w", exchange, err)
	}
	if err := t.do(ctx, trigger.Do, p); err != nil {
		return broker.Message{}, err
	}
	gone := &errNotLanded{subject: exchange + " " + key, after: wait}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case m, ok := <-lands:
			if !ok {
				return broker.Message{}, errors.New("the broker ended the connection")
			}
			if m.Subject == key {
				return m, nil
			}
			gone.others = append(gone.others, m.Subject)
		case <-timer.C:
			return broker.Message{}, gone
		case <-ctx.Done():
			return broker.Message{}, ctx.Err()
		}
	}
}

// described is what a consumer may ask of a message beside its body.
func described(m broker.Message, exchange string) map[string]any {
	out := map[string]any{}
	for name, value := range m.Header {
		out[name] = value
	}
	out["contentType"], out["exchange"] = "application/json", exchange
	out["key"], out["routing_key"], out["routingKey"] = m.Subject, m.Subject, m.Subject
	if !json.Valid(m.Body) {
		out["contentType"] = "application/octet-stream"
	}
	return out
}
