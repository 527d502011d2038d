package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/services/kit"
)

// Idempotency gives requests of one key one answer: the first is done, a second gets the first
// one's answer, one that comes while the first is in work gets 409.
type Idempotency struct {
	Redis *redis.Client
	TTL   time.Duration // how long an answer is kept; 0 means 24 h
	Hold  time.Duration // how long the first may work before its key is free again; 0 means 15 s, a request takes at most 10
}

// ReplayHeader marks an answer that was given before.
const ReplayHeader = "Idempotent-Replay"

// entry is what Redis holds under a key: who works on it, and then the answer.
type entry struct {
	Owner       string      `json:"owner"`
	Fingerprint string      `json:"fingerprint"` // of the request
	Status      int         `json:"status,omitempty"`
	Header      http.Header `json:"header,omitempty"`
	Body        []byte      `json:"body,omitempty"`
	Cut         bool        `json:"cut,omitempty"` // the answer broke off: nobody has the whole body
}

// finish stores or drops what the owner has claimed, unless its claim has passed to another.
var finish = redis.NewScript(`
local held = redis.call("GET", KEYS[1])
if not held or cjson.decode(held).owner ~= ARGV[1] then return 0 end
if ARGV[2] == "" then return redis.call("DEL", KEYS[1]) end
redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
return 1`)

// Serve answers r by next, once for each key. fingerprint tells requests with the same key apart:
// another one under a used key is a 422. Answers of 5xx, and 429, are not kept: the client may try
// again. Nor is one that broke off, where the callee knows the request by itself ([kit.Idempotent]); else
// a second request is told that it was done. Without Redis the answer is 503, as nobody knows whether it was
// done before.
func (i Idempotency) Serve(
	w http.ResponseWriter, r *http.Request, key, fingerprint string, next http.Handler,
) error {
	key = "idempotency:" + key
	mine := entry{Owner: kit.NewID(), Fingerprint: fingerprint}
	held, err := i.claim(r.Context(), key, mine)
	if err != nil { // the key may be taken all the same: its answer was lost
		return fmt.Errorf("%w (claim key: %v)", kit.Unavailable("try again"), errors.Join(err, i.giveUp(r.Context(), key, mine)))
	}
	if held != nil {
		return replay(w, *held, fingerprint)
	}
	rec := &recorder{ResponseWriter: w, cut: true}
	defer func() { // also when next panics
		err := i.settle(context.WithoutCancel(r.Context()), key, mine, rec, kit.Idempotent(r))
		if err != nil {
			w.Header().Set("Warning", `199 - "answer not kept"`)
		}
	}()
	next.ServeHTTP(rec, r)
	rec.cut = false
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK) // as net/http does for a handler that says nothing
	}
	return nil
}

// claim takes the key, or returns what another holds under it. A command whose answer is lost is sent again
// by the client, and finds what it did itself.
func (i Idempotency) claim(ctx context.Context, key string, mine entry) (*entry, error) {
	data, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	for range 3 {
		took, err := i.Redis.SetNX(ctx, key, data, or(i.Hold, 15*time.Second)).Result()
		if err != nil || took {
			return nil, err
		}
		raw, err := i.Redis.Get(ctx, key).Bytes()
		if errors.Is(err, redis.Nil) {
			continue // it was given up in between
		}
		if err != nil {
			return nil, err
		}
		held := &entry{}
		if err := json.Unmarshal(raw, held); err != nil || held.Owner != mine.Owner {
			return held, err
		}
		return nil, nil
	}
	return nil, errors.New("the key changes too often")
}

// giveUpFor is short: the client waits meanwhile, and without it the key is free after Hold.
const giveUpFor = 500 * time.Millisecond

// giveUp frees the key where it is the owner's.
func (i Idempotency) giveUp(ctx context.Context, key string, mine entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpFor)
	defer cancel()
	return finish.Run(ctx, i.Redis, []string{key}, mine.Owner, "", 0).Err()
}

func replay(w http.ResponseWriter, held entry, fingerprint string) error {
	if held.Fingerprint != fingerprint {
		return kit.Errorf(http.StatusUnprocessableEntity, "key-reused",
			"this idempotency key was used for another request")
	}
	if held.Status == 0 {
		w.Header().Set("Retry-After", "1")
		return kit.Conflict("a request with this idempotency key is in work")
	}
	for name, values := range held.Header {
		w.Header()[name] = values
	}
	w.Header().Set(ReplayHeader, "true")
	if held.Cut {
		return kit.Errorf(http.StatusBadGateway, "answer-lost", "this was done, and its answer was lost on the way")
	}
	w.WriteHeader(held.Status)
	_, _ = w.Write(held.Body) // the client went away: nobody is left to tell
	return nil
}

// settle keeps a final answer and frees the key after any other. known: the callee knows the request when it
// comes again.
func (i Idempotency) settle(ctx context.Context, key string, mine entry, rec *recorder, known bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var data []byte
	if rec.final() && !(rec.cut && known) {
		mine.Status, mine.Header, mine.Cut = rec.status, kept(rec.Header()), rec.cut
		if !rec.cut {
			mine.Body = rec.body.Bytes()
		}
		var err error
		if data, err = json.Marshal(mine); err != nil {
			return err
		}
	}
	ttl := or(i.TTL, 24*time.Hour).Milliseconds()
	return finish.Run(ctx, i.Redis, []string{key}, mine.Owner, data, ttl).Err()
}

// kept are the headers that belong to the answer and not to the exchange.
func kept(all http.Header) http.Header {
	out := http.Header{}
	for _, name := range []string{"Content-Type", "Location", "Etag"} {
		if v := all.Values(name); len(v) > 0 {
			out[name] = v
		}
	}
	return out
}

func or(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return d
}

// recorder passes an answer on and keeps a copy.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	cut    bool // the handler has not come to its end
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the real writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) final() bool {
	return r.status != 0 && r.status < 500 && r.status != http.StatusTooManyRequests
}
