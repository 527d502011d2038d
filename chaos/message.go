package chaos

import (
	"fmt"
	"slices"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

var brokers = []string{"amqp", "nats"}

var dropMessage = Kind{
	Name:      "message-drop",
	Doc:       "a message that is published goes nowhere, or with stream=down one that NATS delivers",
	Layer:     Broker,
	Stream:    "up",
	Match:     byStatement,
	Protocols: brokers,
	Params:    []Param{{Name: "confirm", Doc: "its publisher is told that it arrived; AMQP with confirmations", Type: Flag, Default: "false"}},
	Example:   "orders:broker message-drop,confirm match=*order.created match.k=1",
	New: func(a Args) (proxy.Fault, error) {
		return onMessages(a, "message-drop", proxy.Action{Drop: true, Confirm: a.Flag("confirm")}, "PUB", "PUBLISH", "MSG")
	},
}

var duplicateMessage = Kind{
	Name:      "message-duplicate",
	Doc:       "the broker gets a message twice, or with stream=down a consumer of NATS does; the publisher is told once",
	Layer:     Broker,
	Stream:    "up",
	Match:     byStatement,
	Protocols: brokers,
	Example:   "orders:broker message-duplicate match=*order.created",
	New: func(a Args) (proxy.Fault, error) {
		return onMessages(a, "message-duplicate", proxy.Action{Twice: true}, "PUB", "PUBLISH", "MSG")
	},
}

var delayMessage = Kind{
	Name:      "message-delay",
	Doc:       "a message that is published is held back, and what its connection sends behind it",
	Layer:     Broker,
	Match:     byStatement,
	Protocols: brokers,
	Params:    []Param{{Name: "time", Doc: "how long", Type: Duration, Required: true}},
	Example:   "orders:broker message-delay=2s match=*order.created",
	New: func(a Args) (proxy.Fault, error) {
		return onMessages(a, fmt.Sprintf("message-delay %v", a.Duration("time")), proxy.Action{Delay: a.Duration("time")}, "PUB", "PUBLISH")
	},
}

var reorderMessage = Kind{
	Name:      "message-reorder",
	Doc:       "a message that is published goes behind the next one of its connection, or after a second where none comes",
	Layer:     Broker,
	Match:     byStatement,
	Protocols: brokers,
	Example:   "orders:broker message-reorder match.every=2",
	New: func(a Args) (proxy.Fault, error) {
		return onMessages(a, "message-reorder", proxy.Action{Swap: true}, "PUB", "PUBLISH")
	},
}

var redeliver = Kind{
	Name:      "message-redeliver",
	Doc:       "a consumer's acknowledgement becomes its opposite: the broker delivers the message again; AMQP, and NATS with JetStream, where match is the stream",
	Layer:     Broker,
	Match:     byStatement,
	Protocols: brokers,
	Example:   "email:broker message-redeliver match.k=1",
	New: func(a Args) (proxy.Fault, error) {
		return onMessages(a, "message-redeliver", proxy.Action{Again: true}, "ACK")
	},
}

var brokerDown = Kind{
	Name:      "broker-down",
	Doc:       "new connections to the broker are reset, and those that are open end",
	Layer:     Broker,
	Protocols: brokers,
	Example:   "orders:broker broker-down for=10s",
	New:       func(Args) (proxy.Fault, error) { return BrokerDown{}, nil },
}

// BrokerDown resets connections, open ones too.
type BrokerDown struct{}

// String returns "broker-down".
func (BrokerDown) String() string { return "broker-down" }

// Open refuses.
func (BrokerDown) Open() bool { return false }

// Ends ends what is open.
func (BrokerDown) Ends() (time.Duration, proxy.Ending) { return 0, proxy.ByReset }

// onMessages makes a fault of messages of some verbs, in the direction that is meant. Others are not counted.
func onMessages(a Args, words string, do proxy.Action, verbs ...string) (proxy.Fault, error) {
	m, err := matcher(a)
	if err != nil {
		return nil, err
	}
	act := func(*proxy.Request, uint64) (proxy.Action, bool) { return do, true }
	return &messages{request{words, m, act}, verbs, a.Stream == "down"}, nil
}

// messages is a fault of some messages.
type messages struct {
	request
	verbs []string
	down  bool
}

// Ask says what becomes of a message.
func (m *messages) Ask(q *proxy.Request) (proxy.Action, bool) {
	if q.Down != m.down || !slices.Contains(m.verbs, q.Method) {
		return proxy.Action{}, false
	}
	return m.request.Ask(q)
}
