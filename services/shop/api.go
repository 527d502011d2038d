package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"msctl.dev/msctl/services/kit"
)

// api is the gateway as clients see it. It does not hide what goes wrong: who calls decides whether to
// try again.
type api struct {
	base string
	http *http.Client

	mu     sync.Mutex // guards tokens
	tokens map[string]string
}

func newAPI(app *kit.App) (*api, error) {
	base, err := app.Env.URL("gateway")
	if err != nil {
		return nil, err
	}
	return &api{
		base:   strings.TrimRight(base, "/"),
		http:   &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		tokens: map[string]string{},
	}, nil
}

// caller is who asks: a role, and for users their id.
type caller struct{ role, subject string }

var administrator = caller{role: "admin", subject: "shop"}

// answer is what came back.
type answer struct {
	status int
	after  time.Duration // how long the gateway asks to wait; 0 where it does not say
	body   []byte
}

// again reports whether the same request may get a better answer later.
func (a answer) again() bool {
	return a.status >= 500 || a.status == http.StatusTooManyRequests || a.status == http.StatusConflict
}

// ask sends one request as who, once.
func (a *api) ask(ctx context.Context, who caller, method, path string, in any, headers ...string) (answer, error) {
	token, err := a.token(ctx, who)
	if err != nil {
		return answer{}, err
	}
	got, err := a.send(ctx, method, path, in, append(headers, "Authorization", "Bearer "+token))
	if err == nil && got.status == http.StatusUnauthorized { // it is older than an hour: the next try has a new one
		a.forget(who)
		got.status = http.StatusServiceUnavailable
	}
	return got, err
}

func (a *api) forget(who caller) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, who.role+" "+who.subject)
}

func (a *api) send(ctx context.Context, method, path string, in any, headers []string) (answer, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return answer{}, fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return answer{}, fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	after, _ := time.ParseDuration(resp.Header.Get("Retry-After") + "s") // 0 where it is not said
	return answer{resp.StatusCode, after, data}, nil
}

// token returns a token for who, asking for it once.
func (a *api) token(ctx context.Context, who caller) (string, error) {
	key := who.role + " " + who.subject
	a.mu.Lock()
	token := a.tokens[key]
	a.mu.Unlock()
	if token != "" {
		return token, nil
	}
	in := map[string]string{"role": who.role, "subject": who.subject}
	got, err := a.send(ctx, http.MethodPost, "/v1/token", in, nil)
	if err != nil {
		return "", fmt.Errorf("ask for a token: %w", err)
	}
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(got.body, &out); err != nil || out.Token == "" {
		return "", fmt.Errorf("ask for a token: %d %s", got.status, got.body)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[key] = out.Token
	return out.Token, nil
}

// patient asks until the answer is not worth another try, and decodes it into out (nil: dropped). It
// returns the status; one that is not in want is an error.
func (a *api) patient(ctx context.Context, who caller, method, path string, in, out any, want ...int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		got, err := a.ask(ctx, who, method, path, in)
		if err == nil {
			for _, status := range want {
				if got.status == status {
					return status, decode(got, out)
				}
			}
			if err = fmt.Errorf("%s %s: %d %s", method, path, got.status, bytes.TrimSpace(got.body)); !got.again() {
				return got.status, err
			}
		}
		if kit.Pause(ctx, max(wait, got.after)) != nil {
			return got.status, err
		}
	}
}

// patience is how long one thing is tried.
const patience = 30 * time.Second

func decode(got answer, out any) error {
	if out == nil || got.status >= 300 {
		return nil
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
