package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/services/kit"
)

// Status is what became of a notification, or of its delivery on one channel.
type Status string

const (
	Accepted   Status = "accepted"   // stored; users and templates were not asked yet, or do not answer
	Queued     Status = "queued"     // on its way to the channel's service
	Sent       Status = "sent"       // the channel's server took it
	Failed     Status = "failed"     // with a reason; it may be requeued
	Suppressed Status = "suppressed" // the user does not want it
)

// Request is what a client asks for.
type Request struct {
	ID        string            `json:"request_id"` // one id, one notification
	User      string            `json:"user_id"`
	Template  string            `json:"template"`
	Channel   string            `json:"channel,omitempty"`  // short for one of Channels
	Channels  []string          `json:"channels,omitempty"` // none: every one that the user wants
	Variables map[string]string `json:"variables,omitempty"`
	Language  string            `json:"language,omitempty"` // "" is the user's
}

// Notification is a request and what became of it.
type Notification struct {
	ID         string     `json:"id"`
	Status     Status     `json:"status"`
	Reason     string     `json:"reason,omitempty"` // why it waits or failed as a whole
	Deliveries []Delivery `json:"deliveries"`
	Request
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Delivery is what became of a notification on one channel.
type Delivery struct {
	Channel   string    `json:"channel"`
	Status    Status    `json:"status"`
	Reason    string    `json:"reason,omitempty"`
	UpdatedAt time.Time `json:"updated_at"`
}

// queues are the channels that the fleet has and where their work goes.
var queues = map[string]string{"email": kit.EmailQueue, "push": kit.PushQueue}

var (
	requestForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)
	languageForm = regexp.MustCompile(`^([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$`)
)

// check puts the request into its one form and returns everything that is wrong.
func (r *Request) check() error {
	if r.Channel != "" {
		r.Channels, r.Channel = append(r.Channels, r.Channel), ""
	}
	slices.Sort(r.Channels)
	r.Channels = slices.Compact(r.Channels)
	var bad kit.Invalid
	bad.Must(requestForm.MatchString(r.ID), "request_id", "must match "+requestForm.String())
	bad.Must(r.User != "", "user_id", "is missing")
	bad.Must(r.Template != "", "template", "is missing")
	bad.Must(languageForm.MatchString(r.Language), "language", "is not a language tag such as de or pt-BR")
	for _, c := range r.Channels {
		bad.Must(queues[c] != "", "channels", fmt.Sprintf("has %q, which is neither email nor push", c))
	}
	return bad.Err()
}

// fingerprint is the same for requests that ask for the same.
func (r Request) fingerprint() (string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// sum is the status of a notification as a whole: the least settled of its deliveries, and failed
// when one of them is.
func sum(ds []Delivery) Status {
	for _, s := range []Status{Accepted, Queued, Failed, Sent} {
		if slices.ContainsFunc(ds, func(d Delivery) bool { return d.Status == s }) {
			return s
		}
	}
	return Suppressed
}

// reasons joins what the deliveries say of themselves.
func reasons(ds []Delivery) string {
	var all []string
	for _, d := range ds {
		if d.Reason != "" {
			all = append(all, d.Channel+": "+d.Reason)
		}
	}
	return strings.Join(all, "; ")
}
