package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/kittest"
)

// server is an SMTP server that keeps what it gets and answers as the test says.
type server struct {
	addr string

	mu     sync.Mutex
	mails  []*mail.Message
	tries  int
	answer func(try int) error // nil takes the mail
}

func newServer(t *testing.T) *server {
	s := &server{}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c.Conn()}, nil
	}))
	srv.Domain, srv.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return s
}

func (s *server) kept() []*mail.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

type session struct {
	server *server
	conn   net.Conn
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *session) Reset()                               {}
func (s *session) Logout() error                        { return nil }

// errVanish makes the server end the connection after the mail's last byte.
var errVanish = errors.New("vanish")

func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	m.Body = strings.NewReader(string(body))
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.tries++
	if s.server.answer != nil {
		if err := s.server.answer(s.server.tries); errors.Is(err, errVanish) {
			s.conn.Close()
			return nil
		} else if err != nil {
			return err
		}
	}
	s.server.mails = append(s.server.mails, m)
	return nil
}

// world is the service with what is around it.
type world struct {
	t      *testing.T
	smtp   *server
	cache  string // its Redis
	bus    *bus.Bus
	events chan kit.Message
	failed chan kit.Message
}

func newWorld(t *testing.T, answer func(int) error) *world {
	w := &world{t: t, smtp: newServer(t), events: make(chan kit.Message, 10), failed: make(chan kit.Message, 10)}
	w.smtp.answer, w.cache = answer, kittest.Redis(t)
	env := map[string]string{"BROKER_URL": kittest.NATS(t), "CACHE_URL": w.cache,
		"MAIL_URL": "smtp://" + w.smtp.addr, "EMAIL_ATTEMPTS": "3", "EMAIL_BACKOFF": "1ms"}
	kittest.Start(t, run, env)
	var err error
	if w.bus, err = bus.Dial(t.Context(), kittest.App(t, env), "broker"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.bus.Close() })
	w.consume(bus.Consumer{Queue: "test.events", Events: []string{"notification.*"}, Handle: into(w.events)})
	w.consume(bus.Consumer{Queue: kit.FailedQueue, Handle: into(w.failed)})
	return w
}

func (w *world) consume(c bus.Consumer) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.bus.Consume(c)(ctx) }()
	w.t.Cleanup(func() { cancel(); <-done })
}

func into(ch chan kit.Message) func(context.Context, kit.Message) error {
	return func(_ context.Context, m kit.Message) error { ch <- m; return nil }
}

// ask puts a task into email.queue.
func (w *world) ask(request string) {
	w.t.Helper()
	m, err := kit.NewTask(w.t.Context(), kit.EmailQueue, Task{Notification: "n-" + request,
		Request: request, Channel: "email", To: "ana@x.example", Subject: "Olá", Body: "Bem-vindo"})
	if err == nil {
		err = w.bus.Publish(w.t.Context(), m)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// event returns the next event that tells of a result.
func (w *world) event() (key string, r Result) {
	w.t.Helper()
	m := w.next(w.events)
	if err := m.Decode(&r); err != nil {
		w.t.Fatal(err)
	}
	return m.Key, r
}

func (w *world) next(ch chan kit.Message) kit.Message {
	w.t.Helper()
	select {
	case m := <-ch:
		return m
	case <-time.After(30 * time.Second):
		w.t.Fatal("no message came")
		return kit.Message{}
	}
}

// TestOnce sends one mail for a request however often it is asked, under an id of the request's.
func TestOnce(t *testing.T) {
	w := newWorld(t, nil)
	for range 3 {
		w.ask("r:1")
		if key, r := w.event(); key != notificationSent || r.Notification != "n-r:1" || r.Channel != "email" {
			t.Errorf("told %s %+v", key, r)
		}
	}
	mails := w.smtp.kept()
	if len(mails) != 1 {
		t.Fatalf("%d mails, want 1", len(mails))
	}
	if got, want := mails[0].Header.Get("Message-Id"), "<r%3A1.email@msctl.example>"; got != want {
		t.Errorf("Message-ID is %s, want %s", got, want)
	}
	if got := mails[0].Header.Get("Subject"); got != "=?utf-8?q?Ol=C3=A1?=" {
		t.Errorf("subject is %s", got)
	}
}

// TestRetry goes on until the server takes the mail.
func TestRetry(t *testing.T) {
	w := newWorld(t, func(try int) error {
		if try < 3 {
			return &smtp.SMTPError{Code: 451, Message: "later"}
		}
		return nil
	})
	w.ask("r-1")
	if key, _ := w.event(); key != notificationSent || len(w.smtp.kept()) != 1 {
		t.Errorf("told %s, %d mails", key, len(w.smtp.kept()))
	}
}

// TestFailedQueue gives up with a reason; what was requeued is sent when the server is well.
func TestFailedQueue(t *testing.T) {
	for name, c := range map[string]struct {
		answer   error
		attempts string
		reason   string
	}{
		"away":      {&smtp.SMTPError{Code: 451, Message: "later"}, "3", "later"},
		"refused":   {&smtp.SMTPError{Code: 550, Message: "no such box"}, "1", "no such box"},
		"ambiguous": {errVanish, "1", "the mail may have arrived"},
	} {
		t.Run(name, func(t *testing.T) {
			well := false
			w := newWorld(t, func(int) error {
				if well {
					return nil
				}
				return c.answer
			})
			w.ask("r-1")
			if key, r := w.event(); key != notificationFailed || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("told %s %+v, want the reason %q", key, r, c.reason)
			}
			f := w.next(w.failed)
			if got := f.Header[kit.HeaderFailedAttempts]; got != c.attempts {
				t.Errorf("%s attempts, want %s", got, c.attempts)
			}
			if got := f.Header[kit.HeaderFailedReason]; !strings.Contains(got, c.reason) {
				t.Errorf("reason is %q, want %q", got, c.reason)
			}
			w.smtp.mu.Lock()
			well = true
			w.smtp.mu.Unlock()
			f.Key, f.Header[kit.HeaderRequeued] = kit.EmailQueue, "1"
			if err := w.bus.Publish(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			if key, _ := w.event(); key != notificationSent || len(w.smtp.kept()) != 1 {
				t.Errorf("requeued: told %s, %d mails", key, len(w.smtp.kept()))
			}
		})
	}
}
