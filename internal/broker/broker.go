// Package broker speaks with the broker of messages behind a URL as services are given it: to listen, to publish
// as another service would, and to count what waits.
package broker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Message is a message as it is on the broker.
type Message struct {
	Body    []byte
	Header  map[string]string
	Subject string // exchange and key as the broker has them
}

// Wire is a connection to a broker. Close it when done.
type Wire interface {
	// Listen returns what is published to an exchange with a key from now on.
	Listen(ctx context.Context, exchange, key string) (<-chan Message, error)
	Send(ctx context.Context, exchange, key string, m Message) error
	// Depth is how many messages of a queue are waiting, or in work.
	Depth(ctx context.Context, queue string) (int, error)
	Close()
}

// Dial connects to a broker by the scheme of its URL. No error quotes the password.
func Dial(ctx context.Context, where string) (Wire, error) {
	scheme, _, _ := strings.Cut(where, ":")
	switch scheme {
	case "nats":
		w, err := dialNATS(ctx, where)
		return w, hidden(err)
	case "amqp", "amqps":
		w, err := dialAMQP(ctx, where)
		return w, hidden(err)
	}
	return nil, fmt.Errorf("messages on %s cannot be listened to, only on amqp and nats", scheme)
}

// hidden keeps the password of a URL out of an error.
func hidden(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}
