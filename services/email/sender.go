package main

import (
	"context"
	"errors"
	"time"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
)

// sendTimeout bounds one try to send a mail.
const sendTimeout = 15 * time.Second

// answerTimeout bounds how long the mail server may take to answer a whole mail.
const answerTimeout = 10 * time.Second

// sender turns tasks into mails.
type sender struct {
	mail   mailer
	inbox  inbox
	events kit.Publisher
}

// errUnsure says that the mail server had the whole mail when it went away. Another try could be a
// second mail, so there is none: it is for a person to look, and to requeue it.
var errUnsure = errors.New("the mail server went away before its answer: the mail may have arrived")

// handle sends the task's mail unless its request had one.
func (s sender) handle(ctx context.Context, m kit.Message) error {
	var t Task
	if err := m.Decode(&t); err != nil {
		return bus.Permanent(err)
	}
	if t.Request == "" || t.To == "" {
		return bus.Permanent(errors.New("read task: request_id or to is missing"))
	}
	c, err := s.inbox.claim(ctx, t.Request)
	switch {
	case err != nil:
		return err
	case c.at == handed: // its sender died between the mail's end and the answer
		return s.giveBack(ctx, c, bus.Permanent(errUnsure))
	case c.at == unknown:
		if err := s.send(ctx, t, c); err != nil {
			return s.giveBack(ctx, c, err)
		}
		if err := s.inbox.note(ctx, c, sent); err != nil {
			return err
		}
	}
	return s.tell(ctx, notificationSent, t, "", 0)
}

// send hands the mail to the server. From the moment before its last byte no second try is made,
// unless the server itself refuses it.
func (s sender) send(ctx context.Context, t Task, c claim) error {
	refused, err := s.mail.send(ctx, t, func() error { return s.inbox.handOver(ctx, c) })
	if refused {
		return bus.Permanent(err)
	}
	return err
}

// giveBack returns err after another try was made possible.
func (s sender) giveBack(ctx context.Context, c claim, err error) error {
	return errors.Join(err, s.inbox.release(ctx, c))
}

// gaveUp tells that the mail is on its way to the failed queue.
func (s sender) gaveUp(ctx context.Context, m kit.Message, cause error, attempts int) error {
	var t Task
	if err := m.Decode(&t); err != nil {
		return nil // nobody's: there is no notification to tell of
	}
	return s.tell(ctx, notificationFailed, t, cause.Error(), attempts)
}
