//go:build pact

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/pact-foundation/pact-go/v2/consumer"
	"github.com/pact-foundation/pact-go/v2/matchers"
	message "github.com/pact-foundation/pact-go/v2/message/v4"
	"github.com/pact-foundation/pact-go/v2/models"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

type (
	shape  = matchers.StructMatcher
	params = map[string]any
)

var (
	like    = matchers.Like
	integer = matchers.Integer
	regex   = matchers.Regex
)

// web begins a contract with a service that is asked over HTTP.
func web(t *testing.T, provider, state string, params params) *consumer.V4UnconfiguredInteraction {
	t.Helper()
	p, err := consumer.NewV4Pact(consumer.MockHTTPProviderConfig{
		Consumer: "notifications", Provider: provider, PactDir: kittest.PactDir(t), Host: "127.0.0.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.AddInteraction().GivenWithParameter(models.ProviderState{Name: state, Parameters: params})
}

// decided has the dispatcher decide about a notification for that user, where users and templates are
// at those addresses. No channels are all that the user wants.
func decided(t *testing.T, users, templates, user, template string, variables map[string]string, channels ...string) ([]Delivery, []kit.Message, error) {
	t.Helper()
	app := kittest.App(t, map[string]string{"USERS_URL": users, "TEMPLATES_URL": templates})
	w, err := newDispatcher(app, store{})
	if err != nil {
		t.Fatal(err)
	}
	return w.decide(t.Context(), pending{Notification: Notification{ID: "n-1", Request: Request{
		ID: "r-1", User: user, Template: template, Channels: channels, Variables: variables,
	}}})
}

func at(c consumer.MockServerConfig) string { return fmt.Sprintf("http://%s:%d", c.Host, c.Port) }

// want holds so many deliveries against what was expected of them.
func want(ds []Delivery, err error, n int, status Status) error {
	other := slices.ContainsFunc(ds, func(d Delivery) bool { return d.Status != status })
	if err != nil || len(ds) != n || other {
		return fmt.Errorf("got %+v, %v, want %d that are %s", ds, err, n, status)
	}
	return nil
}

// TestContractUsers asks users how somebody wants to be reached.
func TestContractUsers(t *testing.T) {
	templates := httptest.NewServer(http.HandlerFunc(renderFake))
	defer templates.Close()
	ana := params{"id": "ana", "name": "Ana", "language": "pt-BR", "email": "ana@x.example"}
	t.Run("a user", func(t *testing.T) {
		err := web(t, "users", "a user exists", ana).UponReceiving("ask how to reach a user").
			WithRequest("GET", "/users/ana").
			WillRespondWith(200, func(b *consumer.V4ResponseBuilder) {
				b.Header("Content-Type", regex("application/json", "^application/json")).JSONBody(shape{
					"language": regex("pt-BR", `^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`),
					"channels": shape{
						"email": shape{"on": true, "to": regex("ana@x.example", "^[^@ ]+@[^@ ]+$")},
						"push":  shape{"on": true, "to": like("device-1")},
					},
				})
			}).
			ExecuteTest(t, func(c consumer.MockServerConfig) error {
				ds, tasks, err := decided(t, at(c), templates.URL, "ana", "welcome", map[string]string{"name": "Ana"})
				if err == nil && len(tasks) != 2 {
					return fmt.Errorf("%d tasks, want one for each channel", len(tasks))
				}
				return want(ds, err, 2, Queued)
			})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		err := web(t, "users", "no user exists", params{"id": "nobody"}).UponReceiving("ask how to reach somebody who is not there").
			WithRequest("GET", "/users/nobody").
			WillRespondWith(404, refuses).
			ExecuteTest(t, func(c consumer.MockServerConfig) error {
				ds, _, err := decided(t, at(c), templates.URL, "nobody", "welcome", nil)
				return want(ds, err, 1, Failed)
			})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// refuses is an answer that no other try changes.
func refuses(b *consumer.V4ResponseBuilder) {
	b.Header("Content-Type", matchers.S("application/problem+json")).JSONBody(shape{"code": like("not-found"), "detail": like("there is none")})
}

// TestContractTemplates asks templates what to say.
func TestContractTemplates(t *testing.T) {
	users := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		kit.WriteJSON(w, 200, map[string]any{"language": "en", "channels": map[string]any{"email": map[string]any{"on": true, "to": "ana@x.example"}}})
	}))
	defer users.Close()
	welcome := params{"id": "welcome", "language": "en", "channel": "email", "subject": "Hi {{name}}", "body": "Welcome, {{name}}."}
	for _, c := range []struct {
		name, state, template string
		params                params
		variables             map[string]string
		status                int
		answer                shape
		want                  Status
	}{
		{
			"render a template", "a template exists", "welcome", welcome, map[string]string{"name": "Ana"}, 200,
			shape{"language": like("en"), "subject": like("Hi Ana"), "body": like("Welcome, Ana.")}, Queued,
		},
		{
			"render a template without its variables", "a template exists", "welcome", welcome, map[string]string{}, 422,
			shape{"detail": like("the input is not valid"), "errors": shape{"variables.name": like("is missing")}}, Failed,
		},
		{
			"render a template that there is not", "no template exists", "none", params{"id": "none"}, map[string]string{}, 404,
			shape{"detail": like("there is no template")}, Failed,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := web(t, "templates", c.state, c.params).UponReceiving(c.name).
				WithRequest("POST", "/templates/"+c.template+"/render", func(b *consumer.V4RequestBuilder) {
					b.JSONBody(params{"channel": "email", "language": "en", "variables": c.variables})
				}).
				WillRespondWith(c.status, func(b *consumer.V4ResponseBuilder) {
					kind := "application/json"
					if c.status >= 400 {
						kind = "application/problem+json"
					}
					b.Header("Content-Type", matchers.S(kind)).JSONBody(c.answer)
				}).
				ExecuteTest(t, func(m consumer.MockServerConfig) error {
					ds, _, err := decided(t, users.URL, at(m), "ana", c.template, c.variables, "email")
					return want(ds, err, 1, c.want)
				})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// heard has the service handle a message of that provider, and then looks at its database.
func heard(t *testing.T, provider, key, state string, params params, body shape, check func(store) error) {
	t.Helper()
	p, err := message.NewAsynchronousPact(message.Config{Consumer: "notifications", Provider: provider, PactDir: kittest.PactDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = p.AddAsynchronousMessage().
		GivenWithParameter(models.ProviderState{Name: state, Parameters: params}).
		ExpectsToReceive(key).
		WithMetadata(map[string]string{"exchange": kit.Events, "routing_key": key}).
		WithJSONContent(body).
		ConsumedBy(func(m message.AsynchronousMessage) error {
			s := opened(t)
			err := s.events("https://shop.example").Handle(t.Context(), kit.Message{
				ID: kit.NewID(), Exchange: kit.Events, Key: key, Body: m.Contents,
			})
			if err != nil {
				return err
			}
			return check(s)
		}).
		Verify(t)
	if err != nil {
		t.Fatal(err)
	}
}

// opened is a new database with the notification n-1, which is on its way on both channels.
func opened(t *testing.T) store {
	t.Helper()
	app := kittest.App(t, map[string]string{"NOTIFY_DB_URL": kittest.SQLite(t)})
	d, err := db.OpenWith(t.Context(), app, "notify-db", db.Options{Schema: "notifications", Migrations: migrations})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	s := store{db: d, due: make(chan struct{}, 1)}
	id, err := s.accept(t.Context(), Request{ID: "r-1", User: "bob", Template: "welcome"})
	if err != nil {
		t.Fatal(err)
	}
	<-s.due
	for _, statement := range []string{
		`UPDATE notifications SET id = 'n-1', status = 'queued' WHERE id = '` + id + `'`,
		`INSERT INTO deliveries (notification_id, channel, status, reason, updated_at) SELECT id, 'email', 'queued', '', updated_at FROM notifications`,
		`INSERT INTO deliveries (notification_id, channel, status, reason, updated_at) SELECT id, 'push', 'queued', '', updated_at FROM notifications`,
	} {
		if _, err := d.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// delivered holds the delivery of n-1 against what was told of it.
func delivered(t *testing.T, s store, channel string, status Status) error {
	n, err := s.notification(t.Context(), "n-1")
	if err != nil {
		return err
	}
	for _, d := range n.Deliveries {
		if d.Channel == channel && d.Status == status {
			return nil
		}
	}
	return fmt.Errorf("deliveries are %+v, want that by %s %s", n.Deliveries, channel, status)
}

// TestContractOrders hears what happened to orders, and takes on a notification of each.
func TestContractOrders(t *testing.T) {
	for key, status := range map[string]string{orderConfirmed: "confirmed", orderRejected: "rejected", orderCancelled: "cancelled"} {
		t.Run(key, func(t *testing.T) {
			body := shape{
				"order_id": like("o-1"), "user_id": like("ana"), "user_name": like("Ana"), "status": status, "reason": like("out_of_stock"),
				"total": shape{"amount": integer(2500), "currency": regex("EUR", "^[A-Z]{3}$")},
			}
			order := params{"id": "o-1", "user": "ana", "item": "mug", "quantity": 2}
			heard(t, "orders", key, "an order is "+status, order, body, func(s store) error {
				list, err := s.notifications(t.Context(), "ana", "", 10)
				if err != nil || len(list) != 1 || list[0].Variables["total"] != "25.00 EUR" || list[0].Template != "order-"+status {
					return fmt.Errorf("notifications are %+v, %v", list, err)
				}
				return nil
			})
		})
	}
}

// TestContractUserUpdated makes what waits for a user due when they change.
func TestContractUserUpdated(t *testing.T) {
	heard(t, "users", userUpdated, "a user exists", params{"id": "ana", "name": "Ana"}, shape{"id": like("ana")}, func(s store) error {
		select {
		case <-s.due:
			return nil
		case <-time.After(5 * time.Second):
			return fmt.Errorf("the dispatcher was not woken")
		}
	})
}

// TestContractResults hears from those who deliver what became of a delivery.
func TestContractResults(t *testing.T) {
	for provider, channel := range map[string]string{"email": "email", "push": "push"} {
		sent := shape{"notification_id": like("n-1"), "request_id": like("r-1"), "channel": channel}
		failed := shape{"notification_id": like("n-1"), "request_id": like("r-1"), "channel": channel, "reason": like("nobody took it"), "attempts": integer(3)}
		t.Run(provider, func(t *testing.T) {
			heard(t, provider, notificationSent, "a delivery succeeds", params{"notification": "n-1", "request": "r-1"}, sent, func(s store) error {
				return delivered(t, s, channel, Sent)
			})
			heard(t, provider, notificationFailed, "a delivery fails", params{"notification": "n-1", "request": "r-1"}, failed, func(s store) error {
				return delivered(t, s, channel, Failed)
			})
		})
	}
}
