package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
)

// natsBehind runs a NATS server with an edge before it.
func natsBehind(t *testing.T) (*Edge, *record, string) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	go srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	var r record
	e := &Edge{From: "orders", To: "broker", Protocol: "nats", Record: r.add}
	addr := serve(t, e)
	e.SetTargets(to(srv.Addr().String()))
	return e, &r, "nats://" + addr
}

// TestNATSFaults checks what arrives of messages of a real client.
func TestNATSFaults(t *testing.T) {
	e, calls, url := natsBehind(t)
	c, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	got := make(chan string, 100)
	if _, err := c.Subscribe("orders.*", func(m *nats.Msg) { got <- string(m.Data) }); err != nil {
		t.Fatal(err)
	}
	// The last message of each round says that nothing else comes.
	round := func(messages ...string) (arrived []string) {
		t.Helper()
		for _, m := range messages {
			h := nats.NewMsg("orders.created")
			h.Data = []byte(m)
			h.Header.Set("traceparent", "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01")
			if err := c.PublishMsg(h); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Publish("orders.end", []byte("end")); err != nil {
			t.Fatal(err)
		}
		for {
			select {
			case m := <-got:
				if m == "end" {
					return arrived
				}
				arrived = append(arrived, m)
			case <-time.After(patience):
				t.Fatalf("the end does not come after %q", arrived)
			}
		}
	}
	for _, tc := range []struct {
		name string
		m    Match
		do   Action
		want string
	}{
		{"nothing", Match{}, Action{}, "a b c"},
		{"drop", Match{Nth: 2}, Action{Drop: true}, "a c"},
		{"twice", Match{Nth: 2}, Action{Twice: true}, "a b b c"},
		{"swap", Match{Nth: 1}, Action{Swap: true}, "b a c"},
		{"held back", Match{Nth: 1}, Action{Delay: 10 * time.Millisecond}, "a b c"},
		{"by its trace", Match{Trace: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Nth: 3}, Action{Drop: true}, "a b"},
		{"by its name", Match{Name: "publish orders.created"}, Action{Drop: true}, ""},
		{"of another trace", Match{Trace: [16]byte{1}}, Action{Drop: true}, "a b c"},
	} {
		tc.m.Path, tc.m.Method = "orders.created", "PUB"
		act(e, &rule{Matcher: Matcher{Match: tc.m}, do: tc.do})
		if got := strings.Join(round("a", "b", "c"), " "); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
	act(e, &rule{Matcher: Matcher{Match: Match{Path: "orders.created", Method: "MSG", Nth: 2}}, do: Action{Twice: true}})
	if got := strings.Join(round("a", "b", "c"), " "); got != "a b b c" {
		t.Errorf("delivered twice: got %q", got)
	}
	e.SetFaults(nil)
	if got := round("a", strings.Repeat("x", 900_000), "c"); len(got) != 3 || len(got[1]) != 900_000 {
		t.Errorf("got %d messages", len(got))
	}
	hit := 0
	for _, c := range calls.wait(t, 20) {
		if slices.Contains(c.Faults, "rule") {
			hit++
		}
	}
	if hit == 0 {
		t.Error("no call says that a fault acted on it")
	}
}

// TestNATSLost tells of a question that is lost, and of the one behind it that is not.
func TestNATSLost(t *testing.T) {
	e, calls, url := natsBehind(t)
	c, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.Subscribe("orders.*", func(m *nats.Msg) { _ = m.Respond([]byte("yes")) }); err != nil {
		t.Fatal(err)
	}
	act(e, &rule{Matcher: Matcher{Match: Match{Path: "orders.*", Nth: 1}}, do: Action{Drop: true}})
	inbox, err := c.SubscribeSync(nats.NewInbox())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.PublishRequest("orders.created", inbox.Subject, []byte("a")); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := inbox.NextMsg(patience); err != nil {
		t.Fatal(err)
	}
	var got []string
	until(t, "two questions have ended", func() bool {
		got = nil
		for _, c := range calls.wait(t, 0) {
			if strings.HasSuffix(c.Name, "orders.created") && c.Kind != Consumer {
				got = append(got, fmt.Sprint(c.Name, " ", c.Err, c.Faults))
			}
		}
		return len(got) == 2
	})
	if want := []string{"publish orders.created lost by a fault[rule]", "request orders.created []"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestJetStreamAgain checks that a message whose acknowledgement is turned comes again, and that a publication that is
// dropped is not confirmed.
func TestJetStreamAgain(t *testing.T) {
	e, _, url := natsBehind(t)
	c, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.*"}}); err != nil {
		t.Fatal(err)
	}
	got := make(chan uint64, 10)
	consumer, err := js.CreateConsumer(ctx, "ORDERS", jetstream.ConsumerConfig{Durable: "email", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	run, err := consumer.Consume(func(m jetstream.Msg) {
		meta, _ := m.Metadata()
		m.Ack()
		got <- meta.NumDelivered
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.Stop)
	act(e, &rule{Matcher: Matcher{Match: Match{Method: "ACK", Path: "ORDERS", Nth: 1}}, do: Action{Again: true}})
	if _, err := js.Publish(ctx, "orders.a", nil); err != nil {
		t.Fatal(err)
	}
	for want := range uint64(2) {
		select {
		case n := <-got:
			if n != want+1 {
				t.Errorf("delivery %d, want %d", n, want+1)
			}
		case <-ctx.Done():
			t.Fatal("the message does not come again")
		}
	}
	act(e, &rule{Matcher: Matcher{Match: Match{Path: "orders.b"}}, do: Action{Drop: true}})
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if _, err := js.Publish(short, "orders.b", nil); err == nil {
		t.Error("a message that went nowhere is confirmed")
	}
}

// TestAMQPFaults checks what arrives of messages of a real client, and what it is told of them.
func TestAMQPFaults(t *testing.T) {
	e, _, url := behind(t, "rabbitmq", "amqp", "rabbitmq-server")
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	in, err := conn.Channel()
	must(err)
	q, err := in.QueueDeclare("orders", false, false, false, false, nil)
	must(err)
	deliveries, err := in.Consume(q.Name, "", false, false, false, false, nil)
	must(err)
	next := func() amqp.Delivery {
		t.Helper()
		select {
		case d := <-deliveries:
			return d
		case <-ctx.Done():
			t.Fatal("no message comes")
			return amqp.Delivery{}
		}
	}
	out, err := conn.Channel()
	must(err)
	must(out.Confirm(false))
	publish := func(body string) *amqp.DeferredConfirmation {
		t.Helper()
		c, err := out.PublishWithDeferredConfirmWithContext(ctx, "", "orders", false, false, amqp.Publishing{Body: []byte(body)})
		must(err)
		return c
	}
	round := func(bodies ...string) (arrived []string, confirmed []bool) {
		t.Helper()
		var told []*amqp.DeferredConfirmation
		for _, b := range bodies {
			told = append(told, publish(b))
		}
		end := publish("end")
		for {
			d := next()
			must(d.Ack(false))
			if string(d.Body) == "end" {
				break
			}
			arrived = append(arrived, string(d.Body))
		}
		if ok, err := end.WaitContext(ctx); !ok || err != nil {
			t.Fatalf("the last one is not confirmed: %v", err)
		}
		for _, c := range told {
			confirmed = append(confirmed, c.Acked())
		}
		return arrived, confirmed
	}
	round("warm", "up") // numbers are in use before the first fault
	for _, tc := range []struct {
		name      string
		m         Match
		do        Action
		want      string
		confirmed string
	}{
		{"drop", Match{Nth: 2}, Action{Drop: true}, "a c", "[true false true]"},
		{"drop and confirm", Match{Nth: 2}, Action{Drop: true, Confirm: true}, "a c", "[true true true]"},
		{"twice", Match{Nth: 2}, Action{Twice: true}, "a b b c", "[true true true]"},
		{"swap", Match{Nth: 1}, Action{Swap: true}, "b a c", "[true true true]"},
		{"held back", Match{Nth: 1}, Action{Delay: 10 * time.Millisecond}, "a b c", "[true true true]"},
		{"nothing", Match{Nth: 100}, Action{Drop: true}, "a b c", "[true true true]"},
	} {
		tc.m.Path, tc.m.Method = "orders", "PUBLISH"
		act(e, &rule{Matcher: Matcher{Match: tc.m}, do: tc.do})
		arrived, confirmed := round("a", "b", "c")
		if got := strings.Join(arrived, " "); got != tc.want || fmt.Sprint(confirmed) != tc.confirmed {
			t.Errorf("%s: got %q %v, want %q %s", tc.name, got, confirmed, tc.want, tc.confirmed)
		}
	}
	// One that is too long for faults passes as it is, and is counted like the others.
	long := strings.Repeat("x", maxTalk)
	for _, tc := range []struct {
		do        Action
		confirmed string
	}{
		{Action{Drop: true}, "[true false true]"},
		{Action{Twice: true}, "[true true true]"},
		{Action{Swap: true}, "[true true true]"},
		{Action{Delay: time.Millisecond}, "[true true true]"},
	} {
		act(e, &rule{Matcher: Matcher{Match: Match{Path: "orders", Method: "PUBLISH", Nth: 1}}, do: tc.do})
		if arrived, confirmed := round(long, "b", "c"); !slices.Contains(arrived, long) || fmt.Sprint(confirmed) != tc.confirmed {
			t.Errorf("%+v: %d arrived, confirmed %v, want %s", tc.do, len(arrived), confirmed, tc.confirmed)
		}
	}
	orders := deliveries
	other, err := in.QueueDeclare("again", false, false, false, false, nil)
	must(err)
	deliveries, err = in.Consume(other.Name, "", false, false, false, false, nil)
	must(err)
	act(e, &rule{Matcher: Matcher{Match: Match{Method: "ACK", Path: "again", Nth: 1}}, do: Action{Again: true}})
	must(out.PublishWithContext(ctx, "", "again", false, false, amqp.Publishing{Body: []byte("again")}))
	first := next()
	must(first.Ack(false))
	second := next()
	must(second.Ack(false))
	if string(first.Body) != "again" || string(second.Body) != "again" || first.Redelivered || !second.Redelivered {
		t.Errorf("got %q %v, then %q %v", first.Body, first.Redelivered, second.Body, second.Redelivered)
	}
	deliveries = orders
	e.SetFaults(nil)
	if arrived, confirmed := round("a", "b"); len(arrived) != 2 || !slices.Equal(confirmed, []bool{true, true}) {
		t.Errorf("after all faults: got %q %v", arrived, confirmed)
	}
}
