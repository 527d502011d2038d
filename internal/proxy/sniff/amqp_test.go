package sniff

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"msctl.dev/msctl/internal/resource/resourcetest"
)

// aFrame writes a frame: kind, channel, payload.
func aFrame(kind byte, channel uint16, payload string) string {
	b := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return string(b) + payload + "\xCE"
}

// aMethod writes a method of channel 1. Its arguments are strings (short), integers by their size, and bool
// as a byte of flags.
func aMethod(id uint32, args ...any) string {
	b := binary.BigEndian.AppendUint32(nil, id)
	for _, a := range args {
		switch a := a.(type) {
		case string:
			b = append(append(b, byte(len(a))), a...)
		default:
			b, _ = binary.Append(b, binary.BigEndian, a)
		}
	}
	channel := uint16(1)
	if id>>16 == 10 {
		channel = 0
	}
	return aFrame(amqpMethod, channel, string(b))
}

// aMessage writes the header and body of a message.
func aMessage(body, properties string) string {
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, 60<<16), uint64(len(body)))
	if properties == "" {
		properties = "\x00\x00"
	}
	frames := aFrame(amqpHeader, 1, string(b)+properties)
	if body != "" {
		frames += aFrame(amqpBody, 1, body[:len(body)/2]) + aFrame(amqpBody, 1, body[len(body)/2:])
	}
	return frames
}

const aParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// aHeaders are properties with a content type and a table with a trace context behind other values.
func aHeaders() string {
	table := "\x01nI\x00\x00\x00\x01\x01fF\x00\x00\x00\x00\x0btraceparentS\x00\x00\x00\x37" + aParent
	return "\xA0\x00\x0bapplication" + string(binary.BigEndian.AppendUint32(nil, uint32(len(table)))) + table
}

var aOpened = []step{
	ask("AMQP\x00\x00\x09\x01"), answer(aMethod(10<<16|10, "start")),
	ask(aMethod(10<<16|11, "hunter2")), answer(aMethod(10<<16 | 30)), ask(aMethod(10<<16 | 31)), ask(aMethod(10<<16|40, "/")),
	answer(aMethod(amqpConnectionOpenOK)), ask(aMethod(amqpChannelOpen)), answer(aMethod(20<<16 | 11)),
}

func TestAMQPMethods(t *testing.T) {
	publish := ask(aMethod(amqpBasicPublish, uint16(0), "orders", "placed", byte(0)) + aMessage("hunter3", aHeaders()))
	confirm := []step{ask(aMethod(amqpConfirmSelect, byte(0))), answer(aMethod(amqpConfirmSelectOK))}
	consume := []step{ask(aMethod(amqpConsume, uint16(0), "mail", "", byte(0))), answer(aMethod(amqpConsumeOK, "ctag1"))}
	deliver := answer(aMethod(amqpBasicDeliver, "ctag1", uint64(1), byte(0), "orders", "placed") + aMessage("hunter4", aHeaders()))
	tests := []struct {
		name  string
		steps []step
		want  []string
	}{
		{"publish", []step{publish}, []string{"producer publish orders/placed [orders:placed] [placed] " + aParent}},
		{"publish, empty, default exchange", []step{ask(aMethod(amqpBasicPublish, uint16(0), "", "mail", byte(0)) + aMessage("", ""))},
			[]string{"producer publish mail [mail] [mail]"}},
		{"confirmed", append(confirm, publish, publish, answer(aMethod(amqpAck, uint64(2), byte(1)))),
			[]string{"client confirm.select", "producer publish orders/placed [orders:placed] [placed] " + aParent,
				"producer publish orders/placed [orders:placed] [placed] " + aParent}},
		{"not confirmed", append(confirm, publish, answer(aMethod(amqpNack, uint64(1), byte(0)))),
			[]string{"client confirm.select", "producer publish orders/placed [orders:placed] [placed] " + aParent + " ! nack"}},
		{"returned", append(confirm, publish, answer(aMethod(amqpBasicReturn, uint16(312), "NO_ROUTE", "orders", "placed")+aMessage("x", "")),
			answer(aMethod(amqpAck, uint64(1), byte(0)))),
			[]string{"client confirm.select", "producer publish orders/placed [orders:placed] [placed] " + aParent + " ! 312 NO_ROUTE"}},
		{"delivered", append(consume, deliver, ask(aMethod(amqpAck, uint64(1), byte(0)))),
			[]string{"client basic.consume mail [mail]", "consumer process mail [orders:placed:mail] [placed] " + aParent}},
		{"rejected", append(consume, deliver, ask(aMethod(amqpReject, uint64(1), byte(1)))),
			[]string{"client basic.consume mail [mail]", "consumer process mail [orders:placed:mail] [placed] " + aParent + " ! reject"}},
		{"get", []step{ask(aMethod(amqpBasicGet, uint16(0), "mail", byte(0))), answer(aMethod(amqpGetOK, uint64(1), byte(0), "", "mail", uint32(0)) + aMessage("x", "")),
			ask(aMethod(amqpBasicGet, uint16(0), "mail", byte(0))), answer(aMethod(amqpGetEmpty, ""))},
			[]string{"consumer receive mail [mail] [mail]", "client receive mail [mail]"}},
		{"refused", []step{ask(aMethod(50<<16|10, uint16(0), "mail", byte(1), uint32(0))), answer(aMethod(amqpChannelClose, uint16(404), "NOT_FOUND - no queue 'mail'", uint32(0)))},
			[]string{"client queue.declare mail [mail] ! 404 NOT_FOUND - no queue 'mail'"}},
		{"heartbeat", []step{ask(aFrame(amqpHeartbeat, 0, "")), answer(aFrame(amqpHeartbeat, 0, ""))}, nil},
		{"not a frame", []step{answer("HTTP/1.1 400 Bad Request\r\n"), publish}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := append(aOpened[:len(aOpened):len(aOpened)], tt.steps...)
			got := shown(exchanges(t, "amqp", steps), "messaging.destination.name", "messaging.rabbitmq.destination.routing_key")
			checkShown(t, got, append([]string{"client CONNECT"}, tt.want...)...)
			checkSecret(t, "amqp", steps, "hunter")
		})
	}
}

// TestAMQPReal reads along with a real client and a server.
func TestAMQPReal(t *testing.T) {
	e := resourcetest.Native(t, "rabbitmq", "rabbitmq-server", "epmd")
	rec := record(t, fmt.Sprintf("%s:%d", e.Host, e.Port))
	u, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = rec.addr()
	c, err := rabbit.Dial(u.String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := useAMQP(ctx, c); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	checkSame(t, shown(rec.told(t, "amqp"), "messaging.destination.name"),
		"client CONNECT", "client confirm.select", "client exchange.declare orders [orders]", "client queue.declare mail [mail]",
		"client queue.bind mail [mail]", "producer publish orders/placed [orders:placed] "+aParent,
		"producer publish orders/nowhere [orders:nowhere] ! 312 NO_ROUTE",
		"client basic.consume mail [mail]", "consumer process mail [orders:placed:mail] "+aParent, "consumer process mail [orders:placed:mail] "+aParent+" ! nack",
		"consumer receive mail [mail]", "client receive mail [mail]", "producer publish mail [mail]",
		`client queue.declare nothing [nothing] ! 404 NOT_FOUND - no queue 'nothing' in vhost '`+e.Database+"'")
}

func useAMQP(ctx context.Context, c *rabbit.Connection) error {
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	publish := func(exchange, key string, body []byte, headers rabbit.Table) error {
		d, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false, rabbit.Publishing{ContentType: "text/plain", Body: body, Headers: headers})
		if err == nil {
			_, err = d.WaitContext(ctx)
		}
		return err
	}
	declare := func(name string) error {
		_, err := ch.QueueDeclare(name, false, false, false, false, nil)
		return err
	}
	err = errors.Join(ch.Confirm(false), ch.ExchangeDeclare("orders", "topic", false, true, false, false, nil), declare("mail"),
		ch.QueueBind("mail", "placed", "orders", false, nil),
		publish("orders", "placed", bytes.Repeat([]byte("x"), 300_000), rabbit.Table{"n": int32(1), "l": []any{"a"}, "traceparent": aParent}),
		publish("orders", "nowhere", nil, nil))
	if err != nil {
		return err
	}
	messages, err := ch.Consume("mail", "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	first := <-messages
	if err := first.Nack(false, true); err != nil {
		return err
	}
	again := <-messages
	if err := errors.Join(again.Ack(false), ch.Cancel(again.ConsumerTag, false)); err != nil {
		return err
	}
	if err := publish("", "mail", []byte("b"), nil); err != nil {
		return err
	}
	for _, want := range []bool{true, false} {
		if _, ok, err := ch.Get("mail", true); err != nil || ok != want {
			return fmt.Errorf("get: %v, %v", ok, err)
		}
	}
	if _, err := ch.QueueDeclarePassive("nothing", false, false, false, false, nil); err == nil || !strings.Contains(err.Error(), "404") {
		return fmt.Errorf("declare passively: %v", err)
	}
	return nil
}

func FuzzAMQP(f *testing.F) {
	fuzz(f, "amqp", append(aOpened[:len(aOpened):len(aOpened)],
		ask(aMethod(amqpConfirmSelect, byte(0))), answer(aMethod(amqpConfirmSelectOK)),
		ask(aMethod(amqpBasicPublish, uint16(0), "orders", "placed", byte(0))+aMessage("x", aHeaders())), answer(aMethod(amqpAck, uint64(1), byte(1))),
		ask(aMethod(amqpConsume, uint16(0), "mail", "", byte(0))), answer(aMethod(amqpConsumeOK, "c")),
		answer(aMethod(amqpBasicDeliver, "c", uint64(1), byte(0), "orders", "placed")+aMessage("x", aHeaders())), ask(aMethod(amqpNack, uint64(1), byte(0))),
		ask(aMethod(amqpBasicGet, uint16(0), "mail", byte(0))), answer(aMethod(amqpGetEmpty, "")), answer(aMethod(amqpChannelClose, uint16(404), "x"))))
}

func BenchmarkAMQPPublish(b *testing.B) {
	p := New("amqp")
	for _, s := range aOpened {
		p.Feed(moment, s.dir, s.data, func(Exchange) {})
	}
	benchOn(b, p, ask(aMethod(amqpBasicPublish, uint16(0), "orders", "placed", byte(0))+aMessage(strings.Repeat("x", 500), aHeaders())))
}
