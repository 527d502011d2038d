package verify

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"msctl.dev/msctl/contracts"
)

// Target is one provider that runs, with what is needed to set its states.
type Target struct {
	Name      string
	URL       string            // where it serves HTTP: "http://127.0.0.1:4711"; "" it does not
	GRPC      string            // where it serves gRPC: "127.0.0.1:4712"; "" it does not
	Dir       string            // of its commands
	Env       []string          // of its commands
	Resources map[string]string // URLs by name
	Pacts     []contracts.Pact  // of its consumers
	States    *States
}

// probeTime bounds one try to reach a provider.
const probeTime = 3 * time.Second

// probe reports why a provider that is needed for kinds cannot be asked, or nil.
func (t *Target) probe(ctx context.Context, kinds map[contracts.Kind]bool) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if kinds[contracts.HTTP] || t.URL != "" && t.GRPC == "" {
		u, err := url.Parse(t.URL)
		if err != nil || u.Host == "" {
			return fmt.Errorf("%s has no HTTP address", t.Name)
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
		}
		if err := dial(ctx, net.JoinHostPort(u.Hostname(), port)); err != nil {
			return fmt.Errorf("reach %s: %w", t.Name, err)
		}
	}
	if kinds[contracts.Call] {
		if err := dial(ctx, t.GRPC); err != nil {
			return fmt.Errorf("reach %s by gRPC: %w", t.Name, err)
		}
	}
	return nil
}

func dial(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// cannot says why an interaction cannot be asked at all, and what to do about it; "" it can.
func (t *Target) cannot(i contracts.Interaction) (reason, hint string) {
	if missing := t.States.missing(i); len(missing) > 0 {
		return fmt.Sprintf("nobody says how %s gets into the state %q", t.Name, missing[0].Name), t.States.stubOf(missing)
	}
	switch i.Kind {
	case contracts.HTTP:
		if t.URL == "" {
			return t.Name + " serves no HTTP", "give it `listen: {http: auto}` in stack.yaml"
		}
	case contracts.Message:
		return t.cannotPublish(i)
	case contracts.Call:
		if _, _, ok := methodOf(i); !ok {
			return "no method is named", "begin the description with package.Service/Method, or set the metadata grpc-method"
		}
		if t.GRPC == "" {
			return t.Name + " serves no gRPC", "give it `listen: {grpc: auto}` in stack.yaml"
		}
	}
	return "", ""
}

func (t *Target) cannotPublish(i contracts.Interaction) (reason, hint string) {
	trigger, said := t.States.Messages[i.Description]
	if !said {
		return fmt.Sprintf("nobody says what makes %s publish %q", t.Name, i.Description), t.States.triggerStub(i.Description)
	}
	if len(t.brokers()) == 0 && t.usesKafka() {
		return "messages on Kafka are not supported, only those on RabbitMQ and NATS are", "its tests can say what the consumer reads; nothing proves the provider"
	}
	if len(t.brokers()) == 0 {
		return t.Name + " uses no broker that messages can be listened to on", "its resources are " + strings.Join(keys(t.Resources), ", ")
	}
	if exchange, _ := t.subject(i, trigger); exchange == "" && !strings.HasPrefix(t.Resources[t.brokers()[0]], "nats") {
		return "nobody says to which exchange " + t.Name + " publishes it", "write `exchange: NAME` into " + t.States.File
	}
	return "", ""
}

func (t *Target) usesKafka() bool {
	for _, url := range t.Resources {
		if strings.HasPrefix(url, "kafka:") {
			return true
		}
	}
	return false
}

// subject returns where a message lands: as the trigger says, else as the pact's metadata, else as the file
// of states says, and under its description.
func (t *Target) subject(i contracts.Interaction, trigger Trigger) (exchange, key string) {
	said := func(names ...string) string {
		for _, name := range names {
			if text, ok := i.Content.Metadata[name].(string); ok && text != "" {
				return text
			}
		}
		return ""
	}
	exchange, key = trigger.Exchange, trigger.Key
	if exchange == "" {
		exchange = said("exchange")
	}
	if exchange == "" {
		exchange = t.States.Exchange
	}
	if key == "" {
		key = said("routing_key", "routingKey", "key")
	}
	if key == "" {
		key = i.Description
	}
	return exchange, key
}
