package bus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/kittest"
)

// each runs the test on every broker that this machine has, each time with a new one or a new part
// of one.
func each(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("nats", func(t *testing.T) { test(t, kittest.NATS(t)) })
	t.Run("rabbitmq", func(t *testing.T) {
		need.Native(t, "rabbitmq-server")
		need.Native(t, "epmd")
		test(t, kittest.RabbitMQ(t, need.Program("rabbitmq-server"), need.Program("epmd")))
	})
}

func dial(t *testing.T, url string) *bus.Bus {
	t.Helper()
	b, err := bus.Dial(t.Context(), kittest.App(t, map[string]string{"BROKER_URL": url, "GRACE": "5s"}), "broker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// consume runs a consumer until the returned function is called.
func consume(t *testing.T, b *bus.Bus, c bus.Consumer) (stop func()) {
	t.Helper()
	if c.Backoff == 0 {
		c.Backoff = time.Millisecond
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Consume(c)(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("consume %s: %v", c.Queue, err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func send(t *testing.T, b *bus.Bus, exchange, key, body string) kit.Message {
	t.Helper()
	make := kit.NewTask
	if exchange == kit.Events {
		make = kit.NewEvent
	}
	m, err := make(kit.WithCorrelation(t.Context(), "c-"+body), key, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// into returns a handler that hands what it gets to ch.
func into(ch chan kit.Message) func(context.Context, kit.Message) error {
	return func(_ context.Context, m kit.Message) error { ch <- m; return nil }
}

func next(t *testing.T, ch chan kit.Message) kit.Message {
	t.Helper()
	select {
	case m := <-ch:
		return m
	case <-time.After(30 * time.Second):
		t.Fatal("no message came")
	}
	return kit.Message{}
}

func TestBroker(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		for _, tt := range []struct {
			name string
			test func(*testing.T, string)
		}{
			{"work waits for its consumer", workWaits},
			{"events go to every queue once", eventsFanOut},
			{"a failing message is tried again", retried},
			{"the failed queue has the reason", failed},
			{"an absent database costs no try", waits},
			{"a database that hangs costs no try", hangs},
			{"stop finishes what is in flight", stopDrains},
			{"stop gives back what waits for a try", stopGivesBack},
			{"a message not acknowledged comes again", redelivered},
			{"a consumer waits for its broker", waitsForBroker},
			{"a broker that stands still holds nobody", standsStill},
		} {
			t.Run(tt.name, func(t *testing.T) { tt.test(t, url) })
		}
	})
}

func workWaits(t *testing.T, url string) {
	b := dial(t, url)
	sent := send(t, b, kit.Notifications, kit.EmailQueue, "a") // nobody consumes yet
	got := make(chan kit.Message, 1)
	defer consume(t, b, bus.Consumer{Queue: kit.EmailQueue, Handle: into(got)})()
	m := next(t, got)
	if m.ID != sent.ID || string(m.Body) != `"a"` || m.Key != kit.EmailQueue {
		t.Errorf("got %+v, want %+v", m, sent)
	}
	if got := m.Header[kit.HeaderCorrelation]; got != "c-a" {
		t.Errorf("got correlation %q, want c-a", got)
	}
}

func eventsFanOut(t *testing.T, url string) {
	b := dial(t, url)
	one, two := make(chan kit.Message, 9), make(chan kit.Message, 9)
	for range 2 { // replicas share a queue
		defer consume(t, b, bus.Consumer{Queue: "one.events", Events: []string{"user.*"}, Handle: into(one)})()
	}
	defer consume(t, b, bus.Consumer{Queue: "two.events", Events: []string{"user.updated", "order.#"}, Handle: into(two)})()
	// A queue gets what is published behind its declaration: say so until both are there.
	var seen []string
	heard := false // of two
	kittest.Eventually(t, "both queues", func() bool {
		send(t, b, kit.Events, "user.updated", "probe")
		select {
		case m := <-one:
			seen = append(seen, m.ID)
		case <-two:
			heard = true
		case <-time.After(50 * time.Millisecond):
		}
		return heard && len(seen) > 0
	})
	send(t, b, kit.Events, "order.line.added", "last")
	for m := next(t, two); m.Key != "order.line.added"; m = next(t, two) {
		if m.Key != "user.updated" {
			t.Errorf("two.events got %s", m.Key)
		}
	}
	for len(one) > 0 {
		m := <-one
		if slices.Contains(seen, m.ID) || m.Key != "user.updated" {
			t.Errorf("one.events got %s %s again", m.Key, m.ID)
		}
		seen = append(seen, m.ID)
	}
}

func retried(t *testing.T, url string) {
	b := dial(t, url)
	tries, got := make(chan kit.Message, 9), make(chan kit.Message, 1)
	defer consume(t, b, bus.Consumer{Queue: kit.PushQueue, Handle: func(_ context.Context, m kit.Message) error {
		tries <- m
		if len(tries) < 3 {
			return errors.New("not yet")
		}
		got <- m
		return nil
	}})()
	send(t, b, kit.Notifications, kit.PushQueue, "a")
	next(t, got)
	if len(tries) != 3 {
		t.Errorf("got %d tries, want 3", len(tries))
	}
}

func failed(t *testing.T, url string) {
	b := dial(t, url)
	got := make(chan kit.Message, 9)
	defer consume(t, b, bus.Consumer{Queue: kit.PushQueue, Attempts: 3, Handle: func(_ context.Context, m kit.Message) error {
		switch string(m.Body) {
		case `"panic"`:
			panic("oops")
		case `"never"`:
			return bus.Permanent(errors.New("no such\naddress"))
		}
		return errors.New("mail server is away")
	}})()
	defer consume(t, b, bus.Consumer{Queue: kit.FailedQueue, Workers: 1, Handle: into(got)})()
	for body, want := range map[string][2]string{
		"later": {"mail server is away", "3"},
		"never": {"no such address", "1"},
		"panic": {"handle push.queue: panic: oops", "3"},
	} {
		sent := send(t, b, kit.Notifications, kit.PushQueue, body)
		m := next(t, got)
		if m.ID != sent.ID || m.Header[kit.HeaderFailedQueue] != kit.PushQueue ||
			m.Header[kit.HeaderFailedReason] != want[0] || m.Header[kit.HeaderFailedAttempts] != want[1] {
			t.Errorf("%s: got %v, want %v", body, m.Header, want)
		}
		if string(m.Body) != string(sent.Body) || m.Header[kit.HeaderCorrelation] != "c-"+body {
			t.Errorf("%s: got body %s, header %v", body, m.Body, m.Header)
		}
	}
}

// waits handles a message whose database is away for longer than there are tries; what another error costs is
// counted all the same.
func waits(t *testing.T, url string) {
	b := dial(t, url)
	got, tries := make(chan kit.Message, 9), 0
	defer consume(t, b, bus.Consumer{Queue: kit.PushQueue, Workers: 1, Attempts: 2, Backoff: time.Millisecond, Waits: true,
		Handle: func(_ context.Context, m kit.Message) error {
			if tries++; tries < 9 {
				return fmt.Errorf("store %s: %w", m.ID, io.ErrUnexpectedEOF)
			}
			return errors.New("no such column")
		}})()
	defer consume(t, b, bus.Consumer{Queue: kit.FailedQueue, Workers: 1, Handle: into(got)})()
	send(t, b, kit.Notifications, kit.PushQueue, "a")
	m := next(t, got)
	if m.Header[kit.HeaderFailedReason] != "no such column" || m.Header[kit.HeaderFailedAttempts] != "2" || tries != 10 {
		t.Errorf("got %d tries, %v", tries, m.Header)
	}
}

// hangs is waits for a database that does not answer: each try ends with its time. Without Waits it counts.
func hangs(t *testing.T, url string) {
	b := dial(t, url)
	got, tries := make(chan kit.Message, 9), 0
	c := bus.Consumer{Queue: kit.PushQueue, Workers: 1, Attempts: 2, Backoff: time.Millisecond, Timeout: time.Millisecond, Waits: true,
		Handle: func(ctx context.Context, m kit.Message) error {
			if tries++; tries < 9 {
				<-ctx.Done()
				return fmt.Errorf("store %s: %w", m.ID, ctx.Err())
			}
			return errors.New("no such column")
		}}
	stop := consume(t, b, c)
	defer consume(t, b, bus.Consumer{Queue: kit.FailedQueue, Workers: 1, Handle: into(got)})()
	send(t, b, kit.Notifications, kit.PushQueue, "a")
	m := next(t, got)
	if m.Header[kit.HeaderFailedReason] != "no such column" || m.Header[kit.HeaderFailedAttempts] != "2" || tries != 10 {
		t.Errorf("got %d tries, %v", tries, m.Header)
	}
	stop()
	tries, c.Waits = 0, false
	defer consume(t, b, c)()
	send(t, b, kit.Notifications, kit.PushQueue, "b")
	if m := next(t, got); m.Header[kit.HeaderFailedAttempts] != "2" || tries != 2 {
		t.Errorf("got %d tries, %v; want that each counts", tries, m.Header)
	}
}

func stopDrains(t *testing.T, url string) {
	b := dial(t, url)
	in, finish, done := make(chan kit.Message), make(chan struct{}), make(chan error, 9)
	stop := consume(t, b, bus.Consumer{Queue: kit.EmailQueue, Workers: 1, Handle: func(ctx context.Context, m kit.Message) error {
		in <- m
		<-finish
		done <- ctx.Err()
		return nil
	}})
	send(t, b, kit.Notifications, kit.EmailQueue, "in flight")
	next(t, in)
	go func() { close(finish) }()
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("work in flight was cancelled: %v", err)
		}
	default:
		t.Error("stopped before the work was done")
	}
	none(t, url, kit.EmailQueue)
}

// none fails where a queue still holds a message: a new one must be the first that comes.
func none(t *testing.T, url, queue string) {
	t.Helper()
	b, got := dial(t, url), make(chan kit.Message, 9)
	defer consume(t, b, bus.Consumer{Queue: queue, Workers: 1, Handle: into(got)})()
	sent := send(t, b, kit.Notifications, queue, "after")
	if m := next(t, got); m.ID != sent.ID {
		t.Errorf("got %s, want %s", m.Body, sent.Body)
	}
}

func stopGivesBack(t *testing.T, url string) {
	b := dial(t, url)
	tried := make(chan kit.Message, 9)
	stop := consume(t, b, bus.Consumer{Queue: kit.EmailQueue, Backoff: time.Hour, Handle: func(_ context.Context, m kit.Message) error {
		tried <- m
		return errors.New("later")
	}})
	sent := send(t, b, kit.Notifications, kit.EmailQueue, "a")
	next(t, tried)
	stop()
	got := make(chan kit.Message, 1)
	defer consume(t, b, bus.Consumer{Queue: kit.EmailQueue, Handle: into(got)})()
	if m := next(t, got); m.ID != sent.ID {
		t.Errorf("got %s, want %s", m.ID, sent.ID)
	}
}

// waitsForBroker starts a consumer while the broker is away: it does not fail, is not ready, and begins
// when the broker is back.
func waitsForBroker(t *testing.T, url string) {
	through, cut, mend := wire(t, url)
	app := kittest.App(t, map[string]string{"BROKER_URL": through})
	b, err := bus.Dial(t.Context(), app, "broker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	cut()
	kittest.Eventually(t, "not connected", func() bool { return b.Ready(t.Context()) != nil })
	got := make(chan kit.Message, 1)
	defer consume(t, b, bus.Consumer{Queue: kit.EmailQueue, Handle: into(got)})()
	kittest.Eventually(t, "the reason", func() bool { return app.Ready(t.Context())[kit.EmailQueue] == "not connected" })
	mend()
	kittest.Eventually(t, "ready", func() bool { return len(app.Ready(t.Context())) == 0 })
	sent := send(t, dial(t, url), kit.Notifications, kit.EmailQueue, "a")
	if m := next(t, got); m.ID != sent.ID {
		t.Errorf("got %s, want %s", m.ID, sent.ID)
	}
}

// redelivered loses the connection while a message is in work, as when a machine dies.
func redelivered(t *testing.T, url string) {
	through, cut, _ := wire(t, url)
	b, err := bus.Dial(t.Context(), kittest.App(t, map[string]string{"BROKER_URL": through, "GRACE": "1ms"}), "broker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	in := make(chan kit.Message)
	consume(t, b, bus.Consumer{Queue: kit.EmailQueue, Workers: 1, Silence: 300 * time.Millisecond,
		Handle: func(ctx context.Context, m kit.Message) error {
			in <- m
			<-ctx.Done()
			return ctx.Err()
		}})
	sent := send(t, b, kit.Notifications, kit.EmailQueue, "a")
	next(t, in)
	cut()
	got := make(chan kit.Message, 1)
	defer consume(t, dial(t, url), bus.Consumer{Queue: kit.EmailQueue, Silence: 300 * time.Millisecond, Handle: into(got)})()
	if m := next(t, got); m.ID != sent.ID {
		t.Errorf("got %s, want %s", m.ID, sent.ID)
	}
}

// standsStill has a broker that reads nothing and keeps the connection, as RabbitMQ does while it is short of
// memory: who publishes is held for as long as they said, and so is who closes for a while. Later all goes on.
func standsStill(t *testing.T, url string) {
	at, still := kittest.Still(t, url)
	b, held := dial(t, at), dial(t, at)
	send(t, held, kit.Notifications, kit.PushQueue, "before")
	still(true)
	for range 70 { // more than are begun at once
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		m := kit.Message{ID: kit.NewID(), Exchange: kit.Notifications, Key: kit.PushQueue, Body: []byte(`"held"`)}
		if err := b.Publish(ctx, m); !errors.Is(err, context.DeadlineExceeded) || b.Ready(t.Context()) != nil {
			t.Fatalf("publish: %v, connected: %v; want that its time is over, and it is", err, b.Ready(t.Context()))
		}
		cancel()
	}
	if err := held.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	still(false)
	kittest.Eventually(t, "a message sent", func() bool {
		m, err := kit.NewTask(t.Context(), kit.PushQueue, "after")
		return err == nil && b.Publish(t.Context(), m) == nil
	})
}

// wire returns the URL of a way to the broker that can be cut, and mended.
func wire(t *testing.T, broker string) (through string, cut, mend func()) {
	t.Helper()
	u, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	far, near, end := u.Host, "127.0.0.1:0", func() {}
	mend = func() {
		ln, err := net.Listen("tcp", near)
		if err != nil {
			t.Fatal(err)
		}
		near = ln.Addr().String()
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		var conns sync.WaitGroup
		conns.Go(func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				conns.Go(func() { join(ctx, conn, far) })
			}
		})
		end = sync.OnceFunc(func() { cancel(); ln.Close(); conns.Wait() })
	}
	mend()
	cut = func() { end() } // the newest
	t.Cleanup(cut)
	u.Host = near
	return u.String(), cut, mend
}

// join copies both ways until one side ends or ctx does.
func join(ctx context.Context, near net.Conn, addr string) {
	defer near.Close()
	far, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer far.Close()
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() { _, _ = io.Copy(way[0], way[1]); ended <- struct{}{} }() // either end says it
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
}

// TestMessageIsSwallowed has a message not arrive, and nobody is told: who publishes hears of it after a while,
// and what is published then arrives.
func TestMessageIsSwallowed(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		b := dial(t, kittest.Swallow(t, url, "not to arrive", 1))
		m := kit.Message{ID: kit.NewID(), Exchange: kit.Notifications, Key: kit.EmailQueue, Body: []byte("not to arrive")}
		if err := b.Publish(t.Context(), m); err == nil {
			t.Error("it was confirmed")
		}
		if err := b.Publish(t.Context(), m); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// TestConsumerSurvivesBroker restarts the broker under a consumer, with its data and without: both
// times messages come again.
func TestConsumerSurvivesBroker(t *testing.T) {
	dir := t.TempDir()
	s := kittest.StartNATS(t, dir, 0)
	b, got := dial(t, s.URL), make(chan kit.Message, 9)
	defer consume(t, b, bus.Consumer{Queue: kit.EmailQueue, Workers: 2, Handle: into(got)})()
	for _, data := range []string{dir, t.TempDir()} {
		before := send(t, b, kit.Notifications, kit.EmailQueue, "before")
		next(t, got)
		s.Stop()
		kittest.Eventually(t, "not ready", func() bool { return b.Ready(t.Context()) != nil })
		s = kittest.StartNATS(t, data, s.Port)
		kittest.Eventually(t, "the broker", func() bool { return b.Ready(t.Context()) == nil })
		m, err := kit.NewTask(t.Context(), kit.EmailQueue, "after")
		if err != nil {
			t.Fatal(err)
		}
		kittest.Eventually(t, "a message sent", func() bool { return b.Publish(t.Context(), m) == nil })
		for n := next(t, got); n.ID != m.ID; n = next(t, got) {
			if n.ID != before.ID { // the broker may have stopped before it was acknowledged
				t.Errorf("got %s, want %s", n.Body, m.Body)
			}
		}
	}
}

// TestInstalledNATS uses the NATS that is installed here: those before 2.10 know one filter for a consumer.
func TestInstalledNATS(t *testing.T) {
	need.Native(t, "nats-server")
	url := kittest.NATSProgram(t, need.Program("nats-server"))
	workWaits(t, url)
	eventsFanOut(t, url)
}
