package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// actionTime bounds one action.
const actionTime = 10 * time.Second

// do runs actions in order, each bounded in time.
func (t *Target) do(ctx context.Context, actions []Action, p params) error {
	for _, a := range actions {
		if err := t.act(ctx, a, p); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) act(ctx context.Context, a Action, p params) error {
	ctx, cancel := context.WithTimeout(ctx, actionTime+time.Duration(a.Within))
	defer cancel()
	switch {
	case a.SQL != "":
		return t.sql(ctx, a, p)
	case a.HTTP != "":
		return t.http(ctx, a, p)
	case a.Call != "":
		return t.call(ctx, a, p)
	case len(a.Exec) > 0:
		return t.exec(ctx, a, p)
	}
	return t.publish(ctx, a, p)
}

// resource returns the URL of a resource that the provider uses.
func (t *Target) resource(name string) (string, error) {
	url := t.Resources[name]
	if url == "" {
		return "", fmt.Errorf("%s uses no resource %q, only %s", t.Name, name, strings.Join(keys(t.Resources), ", "))
	}
	return url, nil
}

// http asks the provider, until it answers as said or time is over.
func (t *Target) http(ctx context.Context, a Action, p params) error {
	for until := time.Now().Add(time.Duration(a.Within)); ; {
		err := t.ask(ctx, a, p)
		if err == nil || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (t *Target) ask(ctx context.Context, a Action, p params) error {
	method, path, _ := strings.Cut(a.HTTP, " ")
	path, err := p.path(path)
	if err != nil {
		return fmt.Errorf("%s: %w", a.HTTP, err)
	}
	body, err := a.body(p)
	if err != nil {
		return fmt.Errorf("%s: %w", a.HTTP, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, t.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range a.Header {
		if value, err = p.text(value); err != nil {
			return fmt.Errorf("%s: %w", a.HTTP, err)
		}
		req.Header.Set(name, value)
	}
	resp, err := direct.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if (a.Status == 0 && resp.StatusCode < 400 || a.Status == resp.StatusCode) && bytes.Contains(said, []byte(a.Holds)) {
		return a.take(said, p)
	}
	return fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, bytes.TrimSpace(said))
}

// take makes parameters of what was answered: of later actions, and of the request where the pact says so.
func (a Action) take(said []byte, p params) error {
	if len(a.Take) == 0 {
		return nil
	}
	answer := params{}
	d := json.NewDecoder(bytes.NewReader(said))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		return fmt.Errorf("%s: read the answer: %w", a.HTTP, err)
	}
	for name, path := range a.Take {
		v, err := answer.value(path)
		if err != nil {
			return fmt.Errorf("%s: take %s: the answer has no %s", a.HTTP, name, path)
		}
		p[name] = v
	}
	return nil
}

// body is the JSON of an action, filled.
func (a Action) body(p params) ([]byte, error) {
	if a.JSON == nil {
		return nil, nil
	}
	v, err := p.filled(a.JSON)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// direct asks loopback without a proxy, and follows no redirect.
var direct = &http.Client{
	Transport:     &http.Transport{Proxy: nil, DisableCompression: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Second},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// exec runs a command with the service's environment; each parameter stays within its word.
func (t *Target) exec(ctx context.Context, a Action, p params) error {
	argv := make([]string, len(a.Exec))
	for i, word := range a.Exec {
		var err error
		if argv[i], err = p.text(word); err != nil {
			return fmt.Errorf("exec %s: %w", a.Exec[0], err)
		}
	}
	var out tail
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.Dir, t.Env, &out, &out
	own(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("exec %s: %w: %s", a.Exec[0], err, out.last())
	}
	return nil
}
