package sniff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const natsInfo = "INFO {\"server_id\":\"x\"}\r\n"

func natsH(h string) string { return "NATS/1.0\r\n" + h + "\r\n\r\n" }

// natsHPub writes a message with headers.
func natsHPub(verb, address, headers, payload string) string {
	h := natsH(headers)
	return fmt.Sprintf("%s %s %d %d\r\n%s%s\r\n", verb, address, len(h), len(h)+len(payload), h, payload)
}

func TestNATSMessages(t *testing.T) {
	connect := []step{answer(natsInfo), ask("CONNECT {\"pass\":\"hunter2\"}\r\nPING\r\n"), answer("PONG\r\n")}
	tests := []struct {
		name  string
		steps []step
		want  []string
	}{
		{"publish", []step{ask("pub orders.4711.placed 7\r\nhunter3\r\n")}, []string{"producer publish orders.?.placed [orders.?.placed] [send] [7]"}},
		{"publish with headers", []step{ask(natsHPub("HPUB", "orders", "Traceparent: "+aParent, "x"))},
			[]string{"producer publish orders [orders] [send] [1] " + aParent}},
		{"received", []step{ask("SUB orders 1\r\n"), answer("MSG orders 1 1\r\nx\r\nPING\r\n"), ask("PONG\r\n")},
			[]string{"consumer receive orders [orders] [receive] [1]"}},
		{"request", []step{ask("PUB time _INBOX.a.1 0\r\n\r\n"), answer("MSG _INBOX.a.1 1 2\r\nhi\r\n")}, []string{"client request time [time] [send] [0]"}},
		{"no responders", []step{ask("PUB time _INBOX.a.1 0\r\n\r\n"), answer("HMSG _INBOX.a.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")},
			[]string{"client request time [time] [send] [0] ! 503 no responders"}},
		{"answered", []step{answer("MSG time 1 _INBOX.a.1 0\r\n\r\n"), ask("PUB _INBOX.a.1 2\r\nhi\r\n")}, []string{"consumer process time [time] [process] [0]"}},
		{"stored", []step{ask("PUB orders _INBOX.a.1 1\r\nx\r\n"), answer("MSG _INBOX.a.1 1 25\r\n{\"stream\":\"o\", \"seq\":1234}\r\n")},
			[]string{"producer publish orders [orders] [send] [1]"}},
		{"acknowledged", []step{answer("MSG orders 1 $JS.ACK.o.c.1.1.1.1.0 1\r\nx\r\n"), ask("PUB $JS.ACK.o.c.1.1.1.1.0 4\r\n+WPI\r\n"), ask("PUB $JS.ACK.o.c.1.1.1.1.0 4\r\n-NAK\r\n")},
			[]string{"consumer process orders [orders] [process] [1] ! nak"}},
		{"API", []step{ask("PUB $JS.API.STREAM.INFO.x1 _INBOX.a.1 0\r\n\r\n"),
			answer("MSG _INBOX.a.1 1 82\r\n{\"type\":\"io.nats\",\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"not found\"}}\r\n")},
			[]string{"client $JS.API.STREAM.INFO [$JS.API.STREAM.INFO]"}},
		{"no answer", []step{ask("PUB time _INBOX.a.1 0\r\n\r\n")}, []string{"client request time [time] [send] [0] ! no answer"}},
		{"error", []step{answer("-ERR 'Permissions Violation for Publish to \"x\"'\r\n")}, []string{"client CONNECT ! Permissions Violation for Publish to ?"}},
		{"TLS", []step{ask("\x16\x03\x01\n"), ask("PUB x 0\r\n\r\n")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := append(connect[:len(connect):len(connect)], tt.steps...)
			got := shown(exchanges(t, "nats", steps), "messaging.destination.name", "messaging.operation.type", "messaging.message.body.size")
			checkShown(t, got, append([]string{"client CONNECT"}, tt.want...)...)
			checkSecret(t, "nats", steps, "hunter")
		})
	}
}

// TestNATSReal reads along with a real client and a server in this process.
func TestNATSReal(t *testing.T) {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("no server")
	}
	rec := record(t, srv.Addr().String())
	nc, err := natsgo.Connect("nats://" + rec.addr())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := useNATS(ctx, nc); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	checkSame(t, shown(rec.told(t, "nats")), "client CONNECT",
		"producer publish news."+"? "+aParent, "consumer receive news.? "+aParent,
		"client request time", "consumer process time", "client request nobody ! 503 no responders",
		"client $JS.API.STREAM.INFO", "client $JS.API.STREAM.CREATE", "client $JS.API.CONSUMER.CREATE",
		"producer publish orders.placed "+aParent, "producer publish orders.placed",
		"consumer process orders.placed "+aParent, "consumer process orders.placed ! nak", "consumer process orders.placed")
}

func useNATS(ctx context.Context, nc *natsgo.Conn) error {
	header := natsgo.Header{"traceparent": {aParent}}
	news, err := nc.SubscribeSync("news.*")
	if err != nil {
		return err
	}
	_, err = nc.Subscribe("time", func(m *natsgo.Msg) { m.Respond([]byte("now")) })
	err = errors.Join(err, nc.PublishMsg(&natsgo.Msg{Subject: "news.4711", Header: header, Data: bytes.Repeat([]byte("x"), 100_000)}))
	if _, e := news.NextMsgWithContext(ctx); e != nil {
		return errors.Join(err, e)
	}
	if _, e := nc.RequestWithContext(ctx, "time", nil); e != nil {
		return errors.Join(err, e)
	}
	if _, e := nc.RequestWithContext(ctx, "nobody", nil); !errors.Is(e, natsgo.ErrNoResponders) {
		return errors.Join(err, e)
	}
	return errors.Join(err, useJetStream(ctx, nc, header))
}

func useJetStream(ctx context.Context, nc *natsgo.Conn, header natsgo.Header) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if _, err := js.Stream(ctx, "missing"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "orders", Subjects: []string{"orders.>"}, Storage: jetstream.MemoryStorage})
	if err != nil {
		return err
	}
	c, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "mail", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		return err
	}
	_, err = js.PublishMsg(ctx, &natsgo.Msg{Subject: "orders.placed", Header: header, Data: []byte("a")})
	if err != nil {
		return err
	}
	if _, err = js.Publish(ctx, "orders.placed", []byte("b")); err != nil {
		return err
	}
	settle := []func(jetstream.Msg) error{jetstream.Msg.Ack, jetstream.Msg.Nak, func(m jetstream.Msg) error { return m.DoubleAck(ctx) }}
	for _, f := range settle {
		m, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			return err
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

func FuzzNATS(f *testing.F) {
	fuzz(f, "nats", []step{answer(natsInfo), ask("CONNECT {}\r\nSUB a 1\r\n"), answer("PONG\r\nHMSG a 1 b 14 15\r\nNATS/1.0 100\r\n\r\nx\r\n"),
		ask("PUB b 1\r\nx\r\n" + natsHPub("HPUB", "orders _INBOX.1", "Traceparent: "+aParent, "x")), answer("MSG _INBOX.1 1 11\r\n{\"stream\":1\r\n-ERR 'x'\r\n")})
}

func BenchmarkNATSPublish(b *testing.B) {
	bench(b, "nats", ask(natsHPub("HPUB", "orders.placed", "Traceparent: "+aParent, "payload")))
}
