package resource

import (
	"context"
	"fmt"
	"net/smtp"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// SMTP is the mail server: it keeps every message, sends none on, and shows them over HTTP. It is always
// embedded: the mailbox looks and answers the same on every machine.
var SMTP = &Kind{
	Name: "smtp",
	Doc:  "a mail server that keeps what it gets and shows it over HTTP; always embedded",
	Recipes: []*Recipe{{
		Name: "smtp", Runtime: Embedded, Listens: []stack.Listen{{Name: "smtp"}, {Name: "http"}},
		unit: func(at site) (driver.Unit, error) {
			return at.embedded("smtp", "--addr", at.addr(), "--http", address(at.Ports["http"]), "--dir", at.folder()), nil
		},
		ready: smtpReady,
		endpoint: func(at site, _ Choice) Endpoint {
			return Endpoint{URL: fmt.Sprintf("smtp://%s", at.addr()), Host: host, Port: at.port()}
		},
	}},
}

func smtpReady(ctx context.Context, at site) error {
	conn, err := quick.DialContext(ctx, "tcp", at.addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline(ctx)); err != nil {
		return err
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if err := c.Noop(); err != nil {
		return err
	}
	return c.Quit()
}
