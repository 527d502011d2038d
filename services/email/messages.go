package main

import (
	"context"

	"msctl.dev/msctl/services/kit"
)

// Task is the body of a message in email.queue.
type Task struct {
	Notification string `json:"notification_id"`
	Request      string `json:"request_id"` // one mail for each
	Channel      string `json:"channel"`
	To           string `json:"to"`
	Language     string `json:"language"`
	Subject      string `json:"subject"`
	Body         string `json:"body"`
}

// The events that tell what became of a task.
const (
	notificationSent   = "notification.sent"
	notificationFailed = "notification.failed"
)

// Result is the body of those events.
type Result struct {
	Notification string `json:"notification_id"`
	Request      string `json:"request_id"`
	Channel      string `json:"channel"`
	Reason       string `json:"reason,omitempty"`
	Attempts     int    `json:"attempts,omitempty"`
}

// tell publishes what became of t.
func (s sender) tell(ctx context.Context, key string, t Task, reason string, attempts int) error {
	m, err := kit.NewEvent(ctx, key, Result{Notification: t.Notification, Request: t.Request,
		Channel: t.Channel, Reason: reason, Attempts: attempts})
	if err != nil {
		return err
	}
	return s.events.Publish(ctx, m)
}
