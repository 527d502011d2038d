//go:build pact

package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/pact-foundation/pact-go/v2/matchers"
	message "github.com/pact-foundation/pact-go/v2/message/v4"
	"github.com/pact-foundation/pact-go/v2/models"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/cache"
	"msctl.dev/msctl/services/kit/kittest"
)

// TestContractNotifications takes a task as notifications puts it into the queue, and sends its mail.
func TestContractNotifications(t *testing.T) {
	p, err := message.NewAsynchronousPact(message.Config{Consumer: "email", Provider: "notifications", PactDir: kittest.PactDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = p.AddAsynchronousMessage().
		GivenWithParameter(models.ProviderState{Name: "a mail is to be sent", Parameters: map[string]any{"request": "r-1", "user": "ana", "to": "ana@x.example"}}).
		ExpectsToReceive(kit.EmailQueue).
		WithMetadata(map[string]string{"exchange": kit.Notifications, "routing_key": kit.EmailQueue}).
		WithJSONContent(matchers.StructMatcher{
			"notification_id": matchers.Like("n-1"), "request_id": matchers.Like("r-1"), "channel": "email",
			"to": matchers.Regex("ana@x.example", "^[^@ ]+@[^@ ]+$"), "language": matchers.Like("pt-BR"),
			"subject": matchers.Like("Olá"), "body": matchers.Like("Bem-vinda, Ana."),
		}).
		ConsumedBy(func(m message.AsynchronousMessage) error { return sends(t, m.Contents) }).
		Verify(t)
	if err != nil {
		t.Fatal(err)
	}
}

// told is a publisher that keeps what it is given.
type told []kit.Message

func (p *told) Publish(_ context.Context, ms ...kit.Message) error {
	*p = append(*p, ms...)
	return nil
}

// sends has the service handle a task, with a mail server and a Redis of its own.
func sends(t *testing.T, body []byte) error {
	smtp := newServer(t)
	app := kittest.App(t, map[string]string{"CACHE_URL": kittest.Redis(t), "MAIL_URL": "smtp://" + smtp.addr})
	redis, err := cache.Open(app, "cache")
	if err != nil {
		return err
	}
	defer redis.Close()
	mail, err := newMailer(app)
	if err != nil {
		return err
	}
	var events told
	s := sender{mail: mail, inbox: inbox{redis: redis}, events: &events}
	if err := s.handle(t.Context(), kit.Message{ID: kit.NewID(), Exchange: kit.Notifications, Key: kit.EmailQueue, Body: body}); err != nil {
		return err
	}
	mails := smtp.kept()
	if len(mails) != 1 || mails[0].Header.Get("To") != "<ana@x.example>" && mails[0].Header.Get("To") != "ana@x.example" {
		return fmt.Errorf("mails are %+v", mails)
	}
	if len(events) != 1 || events[0].Key != notificationSent {
		return fmt.Errorf("events are %+v", events)
	}
	return nil
}
