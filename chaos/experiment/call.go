package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 4 << 20

// call is an HTTP request of a service and what its answer must be.
type call struct {
	line    string // "POST gateway/v1/orders"
	method  string
	service string // "" where the URL is one on loopback
	port    string // listener of the service
	path    string
	header  map[string]string
	json    any
	body    string
	status  statuses
	under   time.Duration // the answer must be there by then; 0: by the timeout
	timeout time.Duration // 0 means 5 s
	expect  text
	answers map[string]string // headers that the answer must have
}

// fields are the keys of a call, the first of which is its kind.
func (c *call) fields(r *reader) []field {
	return append([]field{
		{"http", func(n *yaml.Node) { r.text(&c.line)(n); c.read(r, n) }},
		{"header", r.pairs(&c.header)},
		{"json", r.value(&c.json)},
		{"body", r.text(&c.body)},
		{"status", c.status.read(r)},
		{"under", r.duration(&c.under, time.Millisecond, time.Minute)},
		{"timeout", r.duration(&c.timeout, time.Millisecond, time.Minute)},
		{"answers", r.pairs(&c.answers)},
	}, c.expect.fields(r)...)
}

// read takes a line apart.
func (c *call) read(r *reader, n *yaml.Node) {
	method, target, both := strings.Cut(c.line, " ")
	if !both {
		r.fail(n, "write GET "+shorten(c.line), "%q does not say its method", shorten(c.line))
		return
	}
	c.method = method
	if strings.Contains(target, "://") {
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "http" || !loopback(u.Hostname()) {
			r.fail(n, "name a service: GET gateway/v1/items", "%q is not on this machine: experiments stay inside the stack", shorten(target))
			return
		}
		c.path = target
		return
	}
	at, path, _ := strings.Cut(target, "/")
	service, port, _ := strings.Cut(at, ":")
	if service == "" || strings.ToUpper(method) != method {
		r.fail(n, "write GET gateway/v1/items", "%q is no request of a service", shorten(c.line))
		return
	}
	c.service, c.path, c.port = service, "/"+path, "http"
	if port != "" {
		c.port = port
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *call) needs() []need {
	if c.service == "" {
		return nil
	}
	return []need{{unit, c.service}}
}

// answer is what came of a call.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

// base returns the address of the service, which may be kept for many calls.
func (c *call) base(ctx context.Context, w *world) (string, error) {
	if c.service == "" {
		return "", nil
	}
	addr, err := w.address(ctx, c.service, c.port)
	return "http://" + addr, err
}

// send makes the call once. An error that is not [cannot] is one of the callee.
func (c *call) send(ctx context.Context, w *world, base string, more map[string]string) (a answer, err error) {
	timeout := c.timeout
	if timeout == 0 {
		timeout = timeoutLook
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.request(ctx, w, base, more)
	if err != nil {
		return a, cannot{err}
	}
	begun := time.Now()
	res, err := w.client.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return answer{took: time.Since(begun)}, err
	}
	defer res.Body.Close()
	a.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	a.status, a.header, a.took = res.StatusCode, res.Header, time.Since(begun)
	return a, err
}

func (c *call) request(ctx context.Context, w *world, base string, more map[string]string) (*http.Request, error) {
	var body io.Reader
	switch {
	case c.json != nil:
		data, err := json.Marshal(w.filled(c.json, more))
		if err != nil {
			return nil, fmt.Errorf("write body: %w", err)
		}
		body = bytes.NewReader(data)
	case c.body != "":
		body = strings.NewReader(w.fill(c.body, more))
	}
	req, err := http.NewRequestWithContext(ctx, c.method, base+w.fill(c.path, more), body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if c.json != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.header {
		req.Header.Set(name, w.fill(value, more))
	}
	return req, nil
}

// judge says what is wrong with an answer, or "".
func (c *call) judge(w *world, a answer, more map[string]string) string {
	switch {
	case !c.status.take(a.status):
		return fmt.Sprintf("answered %d, want %s: %s", a.status, c.status, shorten(string(a.body)))
	case c.under > 0 && a.took > c.under:
		return fmt.Sprintf("answered after %s, want it under %s", a.took.Round(time.Millisecond), c.under)
	}
	for name, value := range c.answers {
		if got := a.header.Get(name); !matches(w.fill(value, more), got) {
			return fmt.Sprintf("answered with %s %q, want %q", name, shorten(got), value)
		}
	}
	return c.expect.judge(string(a.body), func(s string) string { return w.fill(s, more) })
}

// matches takes a header's value for a text, or anything for "*".
func matches(want, got string) bool { return want == got || want == "*" && got != "" }

// statuses are those that are well: 200, 2xx, or several. None: below 400.
type statuses []string

func (s *statuses) read(r *reader) func(*yaml.Node) {
	return func(n *yaml.Node) {
		r.texts((*[]string)(s))(n)
		for _, one := range *s {
			if !statusForm.MatchString(one) {
				r.fail(n, "write 200, 2xx or [200, 404]", "%q is no status", shorten(one))
			}
		}
	}
}

var statusForm = regexp.MustCompile(`^[1-5]([0-9][0-9]|xx)$`)

func (s statuses) take(status int) bool {
	for _, one := range s {
		if one == strconv.Itoa(status) || strings.HasSuffix(one, "xx") && one[:1] == strconv.Itoa(status/100) {
			return true
		}
	}
	return len(s) == 0 && status > 0 && status < 400
}

func (s statuses) String() string {
	if len(s) == 0 {
		return "below 400"
	}
	return strings.Join(s, " or ")
}

// text is what a text must hold.
type text struct {
	holds, lacks string
	find         string // a pattern that is counted
	path         string // "order.status": what is at that place in JSON is compared
	want         Want
}

func (t *text) fields(r *reader) []field {
	return []field{
		{"holds", r.text(&t.holds)}, {"lacks", r.text(&t.lacks)},
		{"find", r.expression(&t.find)}, {"at", r.text(&t.path)}, {"want", r.want(&t.want)},
	}
}

// value is what is compared: how often the pattern is found, what is at the path, or the text itself.
func (t *text) value(s string, fill func(string) string) string {
	switch {
	case t.find != "":
		re, err := regexp.Compile(fill(t.find))
		if err != nil {
			return err.Error()
		}
		return strconv.Itoa(len(re.FindAllStringIndex(s, -1)))
	case t.path != "":
		return at(s, t.path)
	}
	return strings.TrimSpace(s)
}

// judge says what is wrong with a text, or "".
func (t *text) judge(s string, fill func(string) string) string {
	switch {
	case t.holds != "" && !strings.Contains(s, fill(t.holds)):
		return fmt.Sprintf("does not hold %q: %s", fill(t.holds), shorten(strings.TrimSpace(s)))
	case t.lacks != "" && strings.Contains(s, fill(t.lacks)):
		return fmt.Sprintf("holds %q", fill(t.lacks))
	}
	if want := t.want.filled(fill); want.Set() && !want.Takes(t.value(s, fill)) {
		return fmt.Sprintf("is %s, want %s", shorten(t.value(s, fill)), want)
	}
	return ""
}

// at returns what is at a path of a JSON text: names and numbers with dots between them; # is how many there are.
func at(s, path string) string {
	var v any
	if json.Unmarshal([]byte(s), &v) != nil {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		switch have := v.(type) {
		case map[string]any:
			if v = have[name]; name == "#" {
				v = float64(len(have))
			}
		case []any:
			i, err := strconv.Atoi(name)
			switch {
			case name == "#":
				v = float64(len(have))
			case err != nil || i < 0 || i >= len(have):
				return ""
			default:
				v = have[i]
			}
		default:
			return ""
		}
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any, []any:
		out, _ := json.Marshal(v) // it was JSON
		return string(out)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
