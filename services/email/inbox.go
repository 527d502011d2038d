package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/services/kit"
)

// inbox knows how far the mail of each request is. Replicas share it: it is in Redis, as the state and
// the one who claimed the mail, "working 01a2050f-…".
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

// claim is one try to send the mail of a request.
type claim struct {
	request string
	owner   string // unique for each claim; "" is an owner like any other while the inbox is off
	at      state  // what was found: unknown means that the mail is the owner's to send
}

// value is what Redis holds of a claim.
func (c claim) value(s state) string { return strings.TrimSpace(string(s) + " " + c.owner) }

// claim returns one that is at unknown when the mail is now the caller's to send, and else the one that
// is there, and how far it is. While another is at it, also while it waits for the server's answer,
// claim waits for how that ends.
func (i inbox) claim(ctx context.Context, request string) (claim, error) {
	mine := claim{request: request}
	if i.open() {
		return mine, nil
	}
	mine.owner = kit.NewID()
	found, err := i.take(ctx, mine)
	if err != nil { // the key may be taken all the same: its answer was lost
		return claim{}, errors.Join(fmt.Errorf("claim mail: %w", err), i.release(ctx, mine))
	}
	return found, nil
}

// open reports that every message is taken for a new one.
func (i inbox) open() bool { return i.off != nil && i.off() }

// take claims the mail or waits until another's claim has come to its end. A command whose answer is
// lost is sent again by the client, and finds what it did itself: that is no other's claim.
func (i inbox) take(ctx context.Context, mine claim) (claim, error) {
	for {
		took, err := i.redis.SetNX(ctx, inboxKey(mine.request), mine.value(working), inboxHold).Result()
		if err != nil || took {
			return mine, err
		}
		found, age, err := i.held(ctx, mine.request)
		switch {
		case err != nil:
			return claim{}, err
		case found.owner == mine.owner:
			return mine, nil
		case found.at == sent, found.at == handed && age > inboxEnds:
			return found, nil
		}
		select {
		case <-ctx.Done():
			return claim{}, fmt.Errorf("another replica is at it: %w", ctx.Err())
		case <-time.After(inboxPoll):
		}
	}
}

// held returns the claim that is there, and for how long its mail has been handed over or sent.
func (i inbox) held(ctx context.Context, request string) (claim, time.Duration, error) {
	value, err := i.redis.Get(ctx, inboxKey(request)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return claim{}, 0, err
	}
	left, err := i.redis.PTTL(ctx, inboxKey(request)).Result()
	if left < 0 {
		return claim{request: request}, 0, err // released since
	}
	s, owner, _ := strings.Cut(value, " ")
	return claim{request: request, owner: owner, at: state(s)}, inboxKept - left, err
}

// owned begins a script that does something to a key unless it holds the claim of another than ARGV[1].
const owned = `
local held = redis.call("GET", KEYS[1])
if held and (string.match(held, " (.*)$") or "") ~= ARGV[1] then return 0 end
`

// hand writes down that the mail is with the server.
var hand = redis.NewScript(owned + `redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
return 1`)

// forget drops a claim. What was sent stays so.
var forget = redis.NewScript(owned + `if held and string.match(held, "^sent") then return 0 end
return redis.call("DEL", KEYS[1])`)

// errTaken says that a claim has ended, and another has the mail.
var errTaken = errors.New("another replica has it now")

// handOver notes that the mail server is about to have all of the mail. It fails where the claim has
// passed to another.
func (i inbox) handOver(ctx context.Context, c claim) error {
	if i.open() {
		return i.note(ctx, c, handed)
	}
	mine, err := hand.Run(ctx, i.redis, []string{inboxKey(c.request)}, c.owner, c.value(handed), inboxKept.Milliseconds()).Bool()
	if err == nil && !mine {
		err = errTaken
	}
	if err != nil {
		return fmt.Errorf("note that mail is %s: %w", handed, err)
	}
	return nil
}

// note writes down how far the mail is, whoever has claimed it.
func (i inbox) note(ctx context.Context, c claim, s state) error {
	if err := i.redis.Set(ctx, inboxKey(c.request), c.value(s), inboxKept).Err(); err != nil {
		return fmt.Errorf("note that mail is %s: %w", s, err)
	}
	return nil
}

// release lets the mail be sent by another try, unless it is another's by now.
func (i inbox) release(ctx context.Context, c claim) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := forget.Run(ctx, i.redis, []string{inboxKey(c.request)}, c.owner).Err(); err != nil {
		return fmt.Errorf("release mail: %w", err)
	}
	return nil
}
