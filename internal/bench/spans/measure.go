package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"msctl.dev/msctl/internal/bench/proc"
)

// Questions.
const (
	answers = 20 // traces of one search at most
	asked   = 30 // times
)

// ours measures msctl's receiver and store once.
func ours(ctx context.Context, o options, l *load, t table) error {
	dir, err := os.MkdirTemp("", "bench-spans-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := proc.Self(ctx, 3, "store", dir, o.profile)
	if err != nil {
		return err
	}
	err = errors.Join(l.fill(ctx, t, "msctl", c, c.Addrs[0], "http://"+c.Addrs[1]), l.inside(ctx, t, "http://"+c.Addrs[2]))
	c.Stop()
	if err != nil {
		return err
	}
	return l.restarts(ctx, t, dir)
}

// fill gives all spans to a process, and asks it over the API.
func (l *load) fill(ctx context.Context, t table, way string, c proc.Child, otlp, api string) error {
	used := proc.CPU(c.PID)
	rate, err := l.send(ctx, otlp)
	if err != nil {
		return err
	}
	if err := settle(ctx, c.PID); err != nil {
		return err
	}
	t.add(way, "rate", rate)
	t.add(way, "cpu", (proc.CPU(c.PID)-used)/float64(l.spans*l.rounds))
	t.add(way, "memory", proc.Memory(c.PID))
	t.add(way, "peak", proc.Peak(c.PID))
	found := 0
	search, err := middle(func(n int) (float64, error) { return get(ctx, api+searchFor(n), countTraces(&found)) })
	if err != nil {
		return err
	}
	if found == 0 {
		return errors.New("no search found anything")
	}
	found = 0
	tries := 0
	trace, err := middle(func(n int) (float64, error) {
		tries++
		return get(ctx, api+"/api/traces/"+l.trace(n%l.rounds, 97*n), countTraces(&found))
	})
	if err != nil {
		return err
	}
	if found != tries {
		return fmt.Errorf("%d of %d traces were found", found, tries)
	}
	calls, err := middle(func(int) (float64, error) { return get(ctx, api+dependencies(), countTraces(&found)) })
	if err != nil {
		return err
	}
	t.add(way, "apiMap", calls)
	t.add(way, "api", search)
	t.add(way, "apiTrace", trace)
	return nil
}

// inside asks the store itself.
func (l *load) inside(ctx context.Context, t table, at string) error {
	a, err := ask(ctx, at+"/")
	if err != nil {
		return err
	}
	if want := int64(l.spans * l.rounds); a.Counts.Spans != want {
		return fmt.Errorf("the store has %d spans of %d", a.Counts.Spans, want)
	}
	t.add("msctl", "disk", float64(a.Counts.Bytes)/float64(a.Counts.Spans))
	hot, err := middle(func(n int) (float64, error) { return l.search(ctx, at, n) })
	if err != nil {
		return err
	}
	trace, err := middle(func(n int) (float64, error) { return l.byID(ctx, at, n) })
	if err != nil {
		return err
	}
	calls, err := middle(func(n int) (float64, error) {
		return l.since(ctx, at+"/map", l.part(n, 2*asked))
	})
	if err != nil {
		return err
	}
	why, err := middle(func(n int) (float64, error) { return l.since(ctx, at+"/why", l.part(asked/2+n, 3*asked)) })
	if err != nil {
		return err
	}
	advise, err := middle(func(n int) (float64, error) { return l.since(ctx, at+"/advise", l.part(n, 100*asked)) })
	if err != nil {
		return err
	}
	diff, err := middle(func(n int) (float64, error) { return l.since(ctx, at+"/diff", l.part(asked+n, 3*asked)) })
	if err != nil {
		return err
	}
	t.add("msctl", "diff", diff)
	t.add("msctl", "why", why)
	t.add("msctl", "advise", advise)
	t.add("msctl", "map", calls)
	t.add("msctl", "hot", hot)
	t.add("msctl", "trace", trace)
	return nil
}

// restarts starts the store anew and asks one question, which nothing has prepared.
func (l *load) restarts(ctx context.Context, t table, dir string) error {
	if err := proc.Forget(dir); err != nil {
		return err
	}
	began := time.Now()
	c, err := proc.Self(ctx, 3, "store", dir, "")
	if err != nil {
		return err
	}
	took, err := l.search(ctx, "http://"+c.Addrs[2], 1)
	t.add("msctl", "restart", time.Since(began).Seconds())
	t.add("msctl", "cold", took)
	c.Stop()
	if err != nil {
		return err
	}
	if err := proc.Forget(dir); err != nil {
		return err
	}
	if c, err = proc.Self(ctx, 3, "store", dir, ""); err != nil {
		return err
	}
	defer c.Stop()
	took, err = l.byID(ctx, "http://"+c.Addrs[2], 0) // the oldest
	t.add("msctl", "coldTrace", took)
	if err != nil {
		return err
	}
	took, err = l.since(ctx, "http://"+c.Addrs[2]+"/map", time.Time{})
	t.add("msctl", "coldMap", took)
	return err
}

// search asks the store for what n users did.
func (l *load) search(ctx context.Context, at string, n int) (float64, error) {
	filter := fmt.Sprintf("service=orders duration>=1ms user.id=%s", user(n))
	a, err := ask(ctx, at+"/search?filter="+url.QueryEscape(filter))
	return a.Took.Seconds(), err
}

func (l *load) byID(ctx context.Context, at string, n int) (float64, error) {
	a, err := ask(ctx, at+"/trace?id="+l.trace(n%l.rounds, 97*n))
	if err == nil && a.Found == 0 {
		err = errors.New("a trace is not there")
	}
	return a.Took.Seconds(), err
}

// part is a time by which n of so many parts of all spans had come.
func (l *load) part(n, of int) time.Time {
	return l.base.Add(time.Duration(n) * time.Duration(l.rounds) * l.length() / time.Duration(of))
}

// since asks the store about all that came since then.
func (l *load) since(ctx context.Context, question string, since time.Time) (float64, error) {
	a, err := ask(ctx, question+"?since="+url.QueryEscape(since.Format(time.RFC3339Nano)))
	if err == nil && a.Found == 0 {
		err = errors.New("nothing was found by " + question)
	}
	return a.Took.Seconds(), err
}

// dependencies asks Jaeger's API for all calls of a day.
func dependencies() string {
	return fmt.Sprintf("/api/dependencies?endTs=%d&lookback=%d", time.Now().UnixMilli(), (24 * time.Hour).Milliseconds())
}

func user(n int) string { return fmt.Sprintf("u-%05d", 40+n) }

// searchFor is what n users did, in Jaeger's API.
func searchFor(n int) string {
	now := time.Now()
	q := url.Values{"service": {"orders"}, "minDuration": {"1ms"}, "tags": {fmt.Sprintf(`{"user.id":%q}`, user(n))}, "limit": {fmt.Sprint(answers)}, "lookback": {"custom"},
		"start": {fmt.Sprint(now.Add(-24 * time.Hour).UnixMicro())}, "end": {fmt.Sprint(now.UnixMicro())}}
	return "/api/traces?" + q.Encode()
}

// countTraces adds up the traces in answers of Jaeger's API.
func countTraces(n *int) func(body []byte) error {
	return func(body []byte) error {
		var v struct{ Data []json.RawMessage }
		err := json.Unmarshal(body, &v)
		*n += len(v.Data)
		return err
	}
}

func ask(ctx context.Context, url string) (a answer, err error) {
	_, err = get(ctx, url, func(body []byte) error { return json.Unmarshal(body, &a) })
	if err == nil && a.Err != "" {
		err = errors.New(a.Err)
	}
	return a, err
}

// get reads one answer and returns how long it took to come.
func get(ctx context.Context, url string, read func([]byte) error) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	took := time.Since(began).Seconds()
	if err != nil || res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("ask %s: %s: %.200s: %w", url, res.Status, body, err)
	}
	return took, read(body)
}

// middle asks often, each time something else, and returns the median. The first time does not count. What takes
// long is asked a few times only.
func middle(do func(n int) (float64, error)) (float64, error) {
	var took []float64
	began := time.Now()
	for n := range asked + 1 {
		if n > 3 && time.Since(began) > 5*time.Second {
			break
		}
		v, err := do(n)
		if err != nil {
			return 0, err
		}
		took = append(took, v)
	}
	return proc.Median(took[1:]), nil
}
