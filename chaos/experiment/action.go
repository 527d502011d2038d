package experiment

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/internal/broker"
	"msctl.dev/msctl/internal/database"
	"msctl.dev/msctl/internal/state"
)

// Action is one kind of step.
type Action interface {
	fields(r *reader) []field
	needs() []need
	// do acts, and returns how it is undone; nil: there is nothing to undo.
	do(ctx context.Context, w *world) (undo func(context.Context) error, err error)
	String() string
}

// Actions are all kinds of steps: the key that a step of the kind has, and what it does.
var Actions = []struct {
	Name, Doc, Example string
	New                func() Action
}{
	{"fault", "a fault as `msctl chaos add` takes it", `{at: 1s, for: 3s, fault: "orders:payments latency=300ms"}`, func() Action { return &faults{} }},
	{"restart", "restarts a service or resource", `{at: 1s, restart: orders}`, func() Action { return &operation{verb: "restart"} }},
	{"stop", "stops a service or resource, and starts it again at its end", `{at: 1s, for: 2s, stop: mail}`, func() Action { return &operation{verb: "stop"} }},
	{"start", "starts what is stopped", `{at: 2s, start: mail}`, func() Action { return &operation{verb: "start"} }},
	{"scale", "sets how many replicas run, and sets it back at its end", `{scale: orders=2}`, func() Action { return &scaling{} }},
	{"http", "a request of a service, from whose answer values may be kept", `{http: POST gateway/v1/token, json: {role: admin}, keep: {token: access_token}}`, func() Action { return &request{} }},
	{"publish", "a message to a broker, once or several times under one id", `{publish: broker, exchange: events, key: stock.changed, json: {item_id: sugar}, times: 2}`, func() Action { return &message{} }},
	{"sql", "statements in a database", `{sql: orders-db, exec: DELETE FROM sagas}`, func() Action { return &statements{} }},
	{"cmd", "a command on this machine", `{cmd: [./seed.sh], in: orders}`, func() Action { return &running{} }},
	{"run", "a task of a service", `{run: orders rebuild}`, func() Action { return &running{} }},
}

// faults are put on the fleet under the lease of the run.
type faults struct {
	list  []state.Fault
	line  string
	label string // by which it may be lifted before its end; "" is none
	coin  uint64 // of the first of them that has no seed of its own: how many of the file come before it
}

func (f *faults) fields(r *reader) []field {
	return []field{{"fault", func(n *yaml.Node) {
		if n.Kind == yaml.MappingNode {
			f.fromMap(r, n)
			return
		}
		r.text(&f.line)(n)
		f.parse(r, n)
	}}}
}

// fromMap reads the keys of a fault as a mapping: target, kind, params and options of their own.
func (f *faults) fromMap(r *reader, n *yaml.Node) {
	var kind, to string
	var params map[string]string
	var rest []string
	option := func(key string) field {
		return field{key, func(n *yaml.Node) {
			if n.Kind == yaml.MappingNode {
				var m map[string]string
				r.pairs(&m)(n)
				for k, v := range m {
					rest = append(rest, key+"."+k+"="+strconv.Quote(v))
				}
				return
			}
			rest = append(rest, key+"="+strconv.Quote(n.Value))
		}}
	}
	r.mapping(n, "a fault", []field{{"target", r.text(&to)}, {"kind", r.text(&kind)}, {"params", r.pairs(&params)},
		option("match"), option("toxicity"), option("stream"), option("seed"), option("name")})
	word := kind
	for key, value := range params {
		word += "," + key + "=" + strconv.Quote(value)
	}
	slices.Sort(rest)
	f.set(r, n, append([]string{to, word}, rest...))
}

func (f *faults) parse(r *reader, n *yaml.Node) {
	words, err := chaos.Fields(f.line)
	if err != nil {
		r.fail(n, "", "%v", err)
		return
	}
	f.set(r, n, words)
}

func (f *faults) set(r *reader, n *yaml.Node, words []string) {
	list, err := chaos.Parse(words)
	if err != nil {
		hint := ""
		if mistake := (*chaos.Error)(nil); errors.As(err, &mistake) {
			hint = mistake.Hint
		}
		r.fail(n, hint, "%v", err)
		return
	}
	for _, one := range list {
		switch {
		case one.For > 0:
			r.fail(n, "write for: "+one.For.String()+" beside at:", "a fault of an experiment has its for beside it")
		case one.Lease != "":
			r.fail(n, "leave lease away", "a fault of an experiment has the lease of its run")
		}
	}
	f.list, f.line = list, strings.Join(words, " ")
}

func (f *faults) needs() (out []need) {
	for _, one := range f.list {
		out = append(out, need{target, chaos.Words(one)})
	}
	return out
}

func (f *faults) String() string { return f.line }

func (f *faults) do(ctx context.Context, w *world) (func(context.Context) error, error) {
	list, coin := slices.Clone(f.list), f.coin
	for i := range list {
		if !atOnce(list[i]) {
			list[i].Lease = w.lease()
		}
		if list[i].Seed == 0 && w.seed != 0 {
			list[i].Seed = w.seed + coin
			coin++
		}
	}
	put, err := w.Fleet.AddFaults(ctx, list)
	if err != nil {
		return nil, cannotf("put faults on %s: %w", f.list[0].Target, err)
	}
	var ids []string
	for i, one := range put {
		if !atOnce(list[i]) {
			ids = append(ids, one.ID)
		}
	}
	w.put(f, put)
	if len(ids) == 0 {
		return nil, nil
	}
	return func(ctx context.Context) error { return w.lift(ctx, ids) }, nil
}

// atOnce reports a fault that is done and over, such as a kill: nothing holds it.
func atOnce(f state.Fault) bool {
	if f.OnEdge() {
		return false
	}
	u, err := chaos.Upset(f)
	return err == nil && u.Once()
}

// operation starts, stops or restarts something.
type operation struct{ verb, name string }

func (o *operation) fields(r *reader) []field { return []field{{o.verb, r.text(&o.name)}} }
func (o *operation) needs() []need            { return []need{{unit, o.name}} }
func (o *operation) String() string           { return o.verb + " " + o.name }

func (o *operation) do(ctx context.Context, w *world) (func(context.Context) error, error) {
	names := []string{o.name}
	ops := map[string]func(context.Context, []string) error{"start": w.Fleet.Start, "stop": w.Fleet.Stop, "restart": w.Fleet.Restart}
	var undo func(context.Context) error
	if o.verb != "start" {
		undo = func(ctx context.Context) error { return w.Fleet.Start(ctx, names) }
	}
	if err := ops[o.verb](ctx, names); err != nil {
		return undo, cannotf("%s %s: %w", o.verb, o.name, err)
	}
	if o.verb == "restart" {
		undo = nil
	}
	return undo, nil
}

// owes is that what is stopped is started again.
func (o *operation) owes(context.Context, *world) (owed, bool, error) {
	return owed{Do: "start", Name: o.name}, o.verb == "stop", nil
}

// scaling sets how many replicas of a service run.
type scaling struct {
	service string
	n       int
}

func (s *scaling) fields(r *reader) []field {
	return []field{{"scale", func(n *yaml.Node) {
		name, count, _ := strings.Cut(n.Value, "=")
		var err error
		if s.n, err = strconv.Atoi(count); err != nil || name == "" || s.n < 0 || s.n > 50 {
			r.fail(n, "write scale: orders=2", "%q is no service with its replicas", shorten(n.Value))
		}
		s.service = name
	}}}
}

func (s *scaling) needs() []need  { return []need{{unit, s.service}} }
func (s *scaling) String() string { return fmt.Sprintf("scale %s=%d", s.service, s.n) }

func (s *scaling) do(ctx context.Context, w *world) (func(context.Context) error, error) {
	units, err := w.units(ctx, s.service)
	if err != nil {
		return nil, err
	}
	undo := func(ctx context.Context) error { return w.Fleet.Scale(ctx, s.service, len(units)) }
	if err := w.Fleet.Scale(ctx, s.service, s.n); err != nil {
		return undo, cannotf("%s: %w", s, err)
	}
	return undo, nil
}

// owes is that as many replicas run as before.
func (s *scaling) owes(ctx context.Context, w *world) (owed, bool, error) {
	units, err := w.units(ctx, s.service)
	return owed{Do: "scale", Name: s.service, Replicas: len(units)}, err == nil, err
}

// request asks a service for something, and keeps values of the answer.
type request struct {
	call
	kept   map[string]string
	within time.Duration
}

func (q *request) fields(r *reader) []field {
	return append(q.call.fields(r), field{"keep", r.pairs(&q.kept)}, field{"within", r.duration(&q.within, 0, limitMost)})
}

func (q *request) String() string { return q.line }

func (q *request) do(ctx context.Context, w *world) (func(context.Context) error, error) {
	why, begun := "", time.Now()
	for again := true; again; again = pause(ctx, everyUsual) && time.Since(begun) < max(q.within, 2*time.Second) {
		base, err := q.base(ctx, w)
		if err != nil {
			return nil, err
		}
		a, err := q.send(ctx, w, base, nil)
		if err != nil {
			why = err.Error()
			continue
		}
		if why = q.judge(w, a, nil); why != "" {
			continue
		}
		for name, path := range q.kept {
			w.keep(name, at(string(a.body), path))
		}
		return nil, nil
	}
	return nil, cannotf("%s: %s", q.line, why)
}

// message is published under one id, as often as it is said: brokers deliver at least once.
type message struct {
	resource, exchange, key string
	json                    any
	header                  map[string]string
	times                   int
}

func (m *message) fields(r *reader) []field {
	return []field{{"publish", r.text(&m.resource)}, {"exchange", r.text(&m.exchange)}, {"key", r.text(&m.key)},
		{"json", r.value(&m.json)}, {"header", r.pairs(&m.header)}, {"times", r.whole(&m.times, 1, 1000)}}
}

func (m *message) needs() []need  { return []need{{resource, m.resource}} }
func (m *message) String() string { return "publish " + m.key }

func (m *message) do(ctx context.Context, w *world) (func(context.Context) error, error) {
	body, err := json.Marshal(w.filled(m.json, nil))
	if err != nil {
		return nil, cannotf("publish %s: %w", m.key, err)
	}
	wire, err := w.broker(ctx, m.resource)
	if err != nil {
		return nil, cannot{err}
	}
	defer wire.Close()
	id := rand.Text()
	header := map[string]string{"message-id": id, "correlation-id": id}
	for name, value := range m.header {
		header[name] = w.fill(value, nil)
	}
	for range max(1, m.times) {
		if err := wire.Send(ctx, m.exchange, w.fill(m.key, nil), broker.Message{Body: body, Header: header}); err != nil {
			return nil, cannotf("publish %s: %w", m.key, err)
		}
	}
	return nil, nil
}

// statements are executed one after the other.
type statements struct {
	resource, schema string
	list             []string
}

func (s *statements) fields(r *reader) []field {
	return []field{{"sql", r.text(&s.resource)}, {"schema", r.text(&s.schema)}, {"exec", r.texts(&s.list)}}
}

func (s *statements) needs() []need  { return []need{{resource, s.resource}} }
func (s *statements) String() string { return "sql " + s.resource }

func (s *statements) do(ctx context.Context, w *world) (func(context.Context) error, error) {
	where, err := w.resource(ctx, s.resource)
	if err != nil {
		return nil, err
	}
	db, _, err := database.Open(where, s.schema)
	if err != nil {
		return nil, cannotf("open %s: %w", s.resource, err)
	}
	defer db.Close()
	for _, one := range s.list {
		if _, err := db.ExecContext(ctx, w.fill(one, nil)); err != nil {
			return nil, cannotf("sql %s: %w", s.resource, err)
		}
	}
	return nil, nil
}

// running is a command or task.
type running struct {
	command
	service, task string
	more          []string
}

func (c *running) fields(r *reader) []field {
	return append(c.common(r), field{"cmd", r.words(&c.argv)}, field{"run", func(n *yaml.Node) {
		c.service, c.task, c.more = r.task(n)
		c.in = c.service
	}})
}

func (c *running) needs() []need {
	if c.task != "" {
		return []need{{task, c.service + " " + c.task}}
	}
	return c.command.needs()
}

func (c *running) String() string {
	if c.task != "" {
		return "run " + c.service + " " + c.task
	}
	return strings.Join(c.argv, " ")
}

func (c *running) do(ctx context.Context, w *world) (func(context.Context) error, error) {
	if c.task != "" {
		argv, err := taskOf(w.Stack, c.service, c.task, c.more)
		if err != nil {
			return nil, cannot{err}
		}
		c.argv = argv
	}
	printed, code, err := c.command.do(ctx, w, nil)
	if err == nil && code != 0 {
		err = cannotf("%s: exited with %d: %s", c, code, shorten(last(printed)))
	}
	return nil, err
}
