package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

// event makes one of an order, under its id and key.
func event(t *testing.T, id, key, body string) kit.Message {
	t.Helper()
	m, err := kit.NewEvent(kit.WithCorrelation(t.Context(), "c-"+id), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.ID, m.Body = id, []byte(body)
	return m
}

const confirmed = `{"order_id":"o1","user_id":"ana","user_name":"Ana","status":"confirmed","reason":"",
	"total":{"amount":3905,"currency":"EUR"},"lines":[{"item_id":"a","name":"A","quantity":1,"price":3905}],"version":5}`

// TestOrderEvents tells users what happens to their orders. What cannot be told has failed, and says
// why.
func TestOrderEvents(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := func(change ...string) string { return strings.NewReplacer(change...).Replace(confirmed) }
		for _, m := range []kit.Message{
			event(t, "m1", orderConfirmed, confirmed),
			event(t, "m2", orderConfirmed, other(`"o1"`, `"o2"`, `"ana"`, `"bob"`)),
			event(t, "m3", orderCancelled, other(`"o1"`, `"o3"`)),
			event(t, "m4", orderRejected, other(`"o1"`, `"o4"`, `"ana"`, `""`)),
			event(t, "m5", "order.placed", other(`"o1"`, `"o5"`)),
		} {
			if err := w.bus.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		var task Task
		if err := (<-w.tasks).Decode(&task); err != nil || task.Request != "order-o1-confirmed" || task.Subject != "Hi Ana" {
			t.Errorf("task is %+v, %v", task, err)
		}
		n := w.get(task.Notification)
		want := Request{ID: "order-o1-confirmed", User: "ana", Template: "order-confirmed", Variables: map[string]string{
			"name": "Ana", "order": "o1", "reason": "", "total": "39.05 EUR", "link": "https://shop.example/orders/o1"}}
		if diff := cmp.Diff(want, n.Request); diff != "" {
			t.Error(diff)
		}
		w.untilReason("order-o2-confirmed", "any: there is no user")
		w.untilReason("order-o3-cancelled", "email: there is no template")
		kittest.Eventually(t, "the event without a user in the failed queue", func() bool {
			var list struct{ Failed []FailedItem }
			kittest.Call(t, "GET", w.base+"/failed", nil, &list)
			return len(list.Failed) == 1 && list.Failed[0].Message == "m4" && strings.Contains(list.Failed[0].Reason, "user_id is missing")
		})
	})
}

// untilReason waits for the notification of a request to have failed for that reason.
func (w *world) untilReason(request, reason string) {
	w.t.Helper()
	kittest.Eventually(w.t, request+": "+reason, func() bool {
		var list struct{ Notifications []Notification }
		kittest.Call(w.t, "GET", w.base+"/notifications", nil, &list)
		for _, n := range list.Notifications {
			if n.Request.ID == request && n.Status == Failed {
				return n.Reason == reason
			}
		}
		return false
	})
}

// TestOrderEventTwice handles one event again, under its own id and under another: there is one
// notification. Another content under the id is not looked at; under another id it is refused.
func TestOrderEventTwice(t *testing.T) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite": func(t *testing.T) string { return kittest.SQLite(t) },
		"postgres": func(t *testing.T) string {
			need.Native(t, "initdb", "postgres")
			return kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := kittest.App(t, map[string]string{"NOTIFY_DB_URL": url(t)})
			d, err := db.Open(t.Context(), app, "notify-db", migrations)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			s := store{db: d, due: make(chan struct{}, 1)}
			dear := strings.Replace(confirmed, "3905", "9905", 1)
			for i, c := range []struct {
				id, body string
				refused  bool
			}{{"m1", confirmed, false}, {"m1", confirmed, false}, {"m2", confirmed, false}, {"m1", dear, false}, {"m3", dear, true}} {
				err := s.orderChanged(t.Context(), event(t, c.id, orderConfirmed, c.body), "https://shop.example")
				if (err != nil) != c.refused {
					t.Errorf("%d: %v, want refused %v", i, err, c.refused)
				}
			}
			ns, err := s.notifications(t.Context(), "ana", "", 10)
			if err != nil || len(ns) != 1 || ns[0].Variables["total"] != "39.05 EUR" {
				t.Errorf("got %+v, %v, want one notification", ns, err)
			}
		})
	}
}
