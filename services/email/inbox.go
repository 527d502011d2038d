package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// inbox knows how far the mail of each request is. Replicas share it: it is in Redis.
type inbox struct {
	redis *redis.Client
	off   func() bool // reports that every message is taken for a new one; nil: never
}

// state is how far one mail is.
type state string

const (
	unknown state = ""        // nobody has begun
	working state = "working" // a replica is at it
	handed  state = "handed"  // the mail server has all of it and did not answer yet
	sent    state = "sent"    // the mail server took it
)

const (
	inboxKept = 7 * 24 * time.Hour
	inboxHold = 2 * sendTimeout // a replica that works for longer has died
	inboxEnds = answerTimeout   // a replica that handed a mail over for longer has died
	inboxPoll = 100 * time.Millisecond
)

func inboxKey(request string) string { return "email:inbox:" + request }

// claim returns unknown when the mail is now this replica's to send, and else how far it is. While
// another is at it, also while it waits for the server's answer, claim waits for how that ends.
func (i inbox) claim(ctx context.Context, request string) (state, error) {
	if i.off != nil && i.off() {
		return unknown, nil
	}
	for {
		mine, err := i.redis.SetNX(ctx, inboxKey(request), string(working), inboxHold).Result()
		if err != nil {
			return "", fmt.Errorf("claim mail: %w", err)
		}
		if mine {
			return unknown, nil
		}
		s, age, err := i.held(ctx, request)
		if err != nil {
			return "", fmt.Errorf("claim mail: %w", err)
		}
		if s == sent || s == handed && age > inboxEnds {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("claim mail: another replica is at it: %w", ctx.Err())
		case <-time.After(inboxPoll):
		}
	}
}

// held returns how far the mail is, and for how long it has been handed over or sent.
func (i inbox) held(ctx context.Context, request string) (state, time.Duration, error) {
	s, err := i.redis.Get(ctx, inboxKey(request)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", 0, err
	}
	left, err := i.redis.PTTL(ctx, inboxKey(request)).Result()
	if left < 0 {
		return unknown, 0, err // released since
	}
	return state(s), inboxKept - left, err
}

// note writes down how far the mail is.
func (i inbox) note(ctx context.Context, request string, s state) error {
	if err := i.redis.Set(ctx, inboxKey(request), string(s), inboxKept).Err(); err != nil {
		return fmt.Errorf("note that mail is %s: %w", s, err)
	}
	return nil
}

// release lets the mail be sent by another try.
func (i inbox) release(ctx context.Context, request string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := i.redis.Del(ctx, inboxKey(request)).Err(); err != nil {
		return fmt.Errorf("release mail: %w", err)
	}
	return nil
}
