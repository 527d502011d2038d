package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"

	"msctl.dev/msctl/services/kit"
)

// mailer speaks to one SMTP server.
type mailer struct {
	addr string // host:port
	from *mail.Address
}

// newMailer reads MAIL_URL, smtp://host:port, and MAIL_FROM.
func newMailer(app *kit.App) (mailer, error) {
	raw, err := app.Env.URL("mail")
	if err != nil {
		return mailer{}, err
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "smtp" || u.Host == "" {
		return mailer{}, fmt.Errorf("read URL of mail: %q is not smtp://host:port", raw)
	}
	from, err := mail.ParseAddress(app.Env.Or("MAIL_FROM", "Notifications <notifications@msctl.example>"))
	if err != nil {
		return mailer{}, fmt.Errorf("read MAIL_FROM: %w", err)
	}
	return mailer{addr: u.Host, from: from}, nil
}

// send hands one mail over. It calls ending before the byte that makes the mail whole, and stops at
// its error. refused means that the server said no for good; an errUnsure, that nobody knows.
func (m mailer) send(ctx context.Context, t Task, ending func() error) (refused bool, err error) {
	raw, err := m.compose(t)
	if err != nil {
		return true, err
	}
	conn, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", m.addr)
	if err != nil {
		return false, fmt.Errorf("connect mail server: %w", err)
	}
	c := smtp.NewClient(conn)
	c.CommandTimeout, c.SubmissionTimeout = 5*time.Second, answerTimeout
	defer c.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	data, err := m.begin(c, t, raw)
	if err != nil {
		return final(err), fmt.Errorf("send mail: %w", err)
	}
	if err := ending(); err != nil {
		return false, err
	}
	if err := data.Close(); err != nil {
		var answer *smtp.SMTPError
		if errors.As(err, &answer) {
			return final(err), fmt.Errorf("send mail: %w", err)
		}
		return true, fmt.Errorf("%w (%v)", errUnsure, err)
	}
	_ = c.Quit() // the mail is theirs
	return false, nil
}

// begin says everything to the server but the mail's end.
func (m mailer) begin(c *smtp.Client, t Task, raw []byte) (*smtp.DataCommand, error) {
	if err := c.Mail(m.from.Address, &smtp.MailOptions{UTF8: !ascii(t.To)}); err != nil {
		return nil, err
	}
	if err := c.Rcpt(t.To, nil); err != nil {
		return nil, err
	}
	data, err := c.Data()
	if err != nil {
		return nil, err
	}
	_, err = data.Write(raw)
	return data, err
}

// final reports whether the server's answer stays the same however often it is asked.
func final(err error) bool {
	var answer *smtp.SMTPError
	return errors.As(err, &answer) && answer.Code >= 500
}

// compose writes the mail. Its Message-ID is the request's: a server that knows ids drops a second
// copy, whoever made it.
func (m mailer) compose(t Task) ([]byte, error) {
	var h mail.Header
	h.SetDate(time.Now())
	h.SetAddressList("From", []*mail.Address{m.from})
	h.SetAddressList("To", []*mail.Address{{Address: t.To}})
	h.SetSubject(t.Subject)
	h.SetMessageID(url.QueryEscape(t.Request) + ".email@" + m.from.Address[strings.LastIndexByte(m.from.Address, '@')+1:])
	h.Set("Auto-Submitted", "auto-generated")
	h.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	if t.Language != "" {
		h.SetText("Content-Language", t.Language)
	}
	var out bytes.Buffer
	w, err := mail.CreateSingleInlineWriter(&out, h)
	if err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	if _, err := w.Write([]byte(t.Body)); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	return out.Bytes(), nil
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e }) < 0
}
