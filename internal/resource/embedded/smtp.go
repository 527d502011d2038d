package embedded

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"golang.org/x/sync/errgroup"
)

// maxMessage is the largest mail that is taken, in bytes, as most providers have it.
const maxMessage = 25 << 20

func smtpFlags(fs *flag.FlagSet, o *options) {
	common(fs, o)
	fs.StringVar(&o.HTTP, "http", "", "address of the mailbox page, 127.0.0.1:PORT")
}

// runSMTP takes mail on o.Addr, keeps it in o.Dir and shows it on o.HTTP.
func runSMTP(ctx context.Context, o options) error {
	for _, addr := range []string{o.Addr, o.HTTP} {
		if _, _, err := loopback(addr); err != nil {
			return err
		}
	}
	box, err := openMailbox(o.Dir)
	if err != nil {
		return err
	}
	mail, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return err
	}
	defer mail.Close()
	page, err := net.Listen("tcp", o.HTTP)
	if err != nil {
		return err
	}
	defer page.Close()
	o.logf("smtp ready on %s, %d messages kept, shown on http://%s", o.Addr, len(box.list()), o.HTTP)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serveMail(ctx, mail, box, o) })
	g.Go(func() error { return servePage(ctx, page, box, o) })
	return g.Wait()
}

func serveMail(ctx context.Context, ln net.Listener, box *mailbox, o options) error {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: box, o: o}, nil }))
	s.Domain, s.MaxMessageBytes, s.MaxRecipients, s.MaxLineLength = "localhost", maxMessage, 100, 8<<10
	s.ReadTimeout, s.WriteTimeout, s.AllowInsecureAuth, s.EnableSMTPUTF8 = time.Minute, time.Minute, true, true
	s.ErrorLog = log.New(o.Stdout, "smtp: ", 0)
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(ln); err != nil && !errors.Is(err, smtp.ErrServerClosed) && ctx.Err() == nil {
		return err
	}
	return nil
}

func servePage(ctx context.Context, ln net.Listener, box *mailbox, o options) error {
	s := &http.Server{
		Handler:           pages(box, ln.Addr().String()),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: log.New(o.Stdout, "http: ", 0),
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// session is one client's connection. Every user and password is welcome.
type session struct {
	box  *mailbox
	o    options
	from string
	to   []string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = append(s.to, to); return nil }

// Data answers only when the message is on disk.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	id, err := s.box.add(s.from, s.to, raw)
	if err != nil {
		s.o.logf("message not kept: %v", err)
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "cannot keep the message"}
	}
	s.o.logf("message %d kept: from %q to %q", id, s.from, s.to)
	return nil
}

func (s *session) Reset() { s.from, s.to = "", nil }

func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}
