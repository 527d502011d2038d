package verify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// landed is a message as it is on the broker.
type landed struct {
	Body    []byte
	Header  map[string]string
	Subject string // exchange and key as the broker has them
}

// wire is a broker of messages, by the scheme of its URL.
type wire interface {
	// listen returns what is published to an exchange with a key from now on.
	listen(ctx context.Context, exchange, key string) (<-chan landed, error)
	send(ctx context.Context, exchange, key string, m landed) error
	close()
}

// dialWire connects to a broker of messages.
func dialWire(ctx context.Context, where string) (wire, error) {
	scheme, _, _ := strings.Cut(where, ":")
	switch scheme {
	case "nats":
		return dialNATS(ctx, where)
	case "amqp", "amqps":
		return dialAMQP(ctx, where)
	}
	return nil, fmt.Errorf("messages on %s cannot be listened to, only on amqp and nats", scheme)
}

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
	w, err := dialWire(ctx, where)
	if err != nil {
		return fmt.Errorf("connect %s: %w", a.Publish, hidden(err))
	}
	defer w.close()
	id := rand.Text()
	m := landed{Body: body, Header: map[string]string{"message-id": id, "correlation-id": id}}
	for name, value := range a.Header {
		if m.Header[name], err = p.text(value); err != nil {
			return fmt.Errorf("publish %s: %w", a.Key, err)
		}
	}
	key, err := p.text(a.Key)
	if err != nil {
		return fmt.Errorf("publish %s: %w", a.Key, err)
	}
	if err := w.send(ctx, a.Exchange, key, m); err != nil {
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

// hidden keeps the password of a URL out of an error.
func hidden(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
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
func (t *Target) capture(ctx context.Context, trigger Trigger, exchange, key string, p params, wait time.Duration) (landed, error) {
	where := t.Resources[t.brokers()[0]]
	w, err := dialWire(ctx, where)
	if err != nil {
		return landed{}, fmt.Errorf("connect the broker: %w", hidden(err))
	}
	defer w.close()
	lands, err := w.listen(ctx, exchange, key)
	if err != nil {
		return landed{}, fmt.Errorf("listen on %s: %w", exchange, err)
	}
	if err := t.do(ctx, trigger.Do, p); err != nil {
		return landed{}, err
	}
	gone := &errNotLanded{subject: exchange + " " + key, after: wait}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case m, ok := <-lands:
			if !ok {
				return landed{}, errors.New("the broker ended the connection")
			}
			if m.Subject == key {
				return m, nil
			}
			gone.others = append(gone.others, m.Subject)
		case <-timer.C:
			return landed{}, gone
		case <-ctx.Done():
			return landed{}, ctx.Err()
		}
	}
}

// metadata is what a consumer may ask of a message beside its body.
func (m landed) metadata(exchange string) map[string]any {
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
