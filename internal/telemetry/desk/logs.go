package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
	"msctl.dev/msctl/internal/telemetry/filter"
	"msctl.dev/msctl/internal/telemetry/printed"
)

// Printed reads what the services printed.
type Printed interface {
	// Units names every unit that prints, with its service.
	Units() []Unit
	// Read calls fn with every line of a unit since then, in order, until fn fails. The text is clean:
	// nothing in it drives a terminal.
	Read(ctx context.Context, unit string, since time.Time, fn func(at time.Time, text string) error) error
}

// Unit is one process or container of a service.
type Unit struct{ Name, Service string }

const (
	defaultLimit = 100
	// twin is how far the times of one record may lie apart that was both printed and sent.
	twin = 2 * time.Second
	// around a trace its logs are looked for.
	around = 10 * time.Second
)

// Logs searches the records that services sent and those that they printed, as one list. A record that
// did both is there once.
func (d *Desk) Logs(ctx context.Context, q telemetry.Query) (telemetry.LogPage, error) {
	begun := d.now()
	s, err := d.search(ctx, q)
	if err != nil {
		return telemetry.LogPage{}, err
	}
	sent, err := d.Store.Logs(ctx, telemetry.Query{Filter: q.Filter, Since: s.since, Until: s.until, Limit: s.want(), Sort: q.Sort})
	if err != nil {
		return telemetry.LogPage{}, err
	}
	s.scanned, s.more = sent.Scanned, sent.Next != "" || sent.Truncated
	if d.Printed != nil {
		for _, u := range d.Printed.Units() {
			if err := s.read(ctx, d.Printed, u); err != nil {
				return telemetry.LogPage{}, fmt.Errorf("read what %s printed: %w", u.Name, err)
			}
		}
	}
	page := s.page(merge(sent.Logs, s.found))
	page.Took = d.now().Sub(begun)
	return page, nil
}

// search is one question for logs under way.
type search struct {
	filter       *filter.Node
	since, until time.Time
	oldest       bool // first
	limit        int
	from         time.Time // where a cursor goes on
	skip         int       // records of that very moment that were given before
	needle       string
	found        []telemetry.Log
	scanned      int64
	more         bool
}

func (d *Desk) search(ctx context.Context, q telemetry.Query) (*search, error) {
	n, err := filter.Parse(q.Filter)
	if err != nil {
		return nil, err
	}
	s := &search{since: q.Since, until: q.Until, oldest: q.Sort == "oldest", limit: cmp.Or(q.Limit, defaultLimit)}
	var words filter.Bounds
	if s.filter, words, err = filter.Window(n, d.now()); err != nil {
		return nil, err
	}
	if s.since.IsZero() || words.Since.After(s.since) {
		s.since = words.Since
	}
	if s.until.IsZero() || !words.Until.IsZero() && words.Until.Before(s.until) {
		s.until = words.Until
	}
	if s.until.IsZero() {
		s.until = d.now().Add(time.Minute) // clocks of containers may go ahead
	}
	d.ofTrace(ctx, s)
	if s.since.IsZero() {
		s.since = s.until.Add(-past)
	}
	return s, s.resume(q.Cursor)
}

// ofTrace narrows a search for the logs of one trace to the time of the trace.
func (d *Desk) ofTrace(ctx context.Context, s *search) {
	s.needle = equals(s.filter, "trace")
	if s.needle == "" {
		return
	}
	spans, err := d.spans(ctx, s.needle)
	if err != nil {
		return // services may log ids of traces that nobody sent
	}
	from, to := spans[0].Start, spans[0].Start
	for i := range spans {
		if end := spans[i].Start.Add(spans[i].Duration); end.After(to) {
			to = end
		}
		if spans[i].Start.Before(from) {
			from = spans[i].Start
		}
	}
	if from = from.Add(-around); s.since.IsZero() || from.After(s.since) {
		s.since = from
	}
	if to = to.Add(around); to.Before(s.until) {
		s.until = to
	}
}

// equals returns the value that a key must have for a filter to hold, or "".
func equals(n *filter.Node, key string) string {
	switch {
	case n == nil:
	case n.Op == filter.Equal && n.Key == key:
		return n.Value
	case n.Op == filter.And:
		for _, k := range n.Kids {
			if v := equals(k, key); v != "" {
				return v
			}
		}
	}
	return ""
}

// resume continues after a page: its cursor is the time of the last record, and how many of that very
// time there were.
func (s *search) resume(cursor string) error {
	if cursor == "" {
		return nil
	}
	at, skip, ok := strings.Cut(cursor, "/")
	ns, err := strconv.ParseInt(at, 10, 64)
	n, err2 := strconv.Atoi(skip)
	if !ok || err != nil || err2 != nil || n < 0 || n > 1<<20 {
		return fmt.Errorf("read cursor %q: it is none of this search", cursor)
	}
	s.from, s.skip = time.Unix(0, ns), n
	if s.oldest {
		s.since = s.from
	} else {
		s.until = s.from.Add(1)
	}
	return nil
}

func (s *search) want() int { return s.limit + s.skip + 1 }

// read looks through what one unit printed.
func (s *search) read(ctx context.Context, p Printed, u Unit) error {
	if name := equals(s.filter, "service"); name != "" && name != u.Service {
		return nil
	}
	var j printed.Joiner
	take := func(l *telemetry.Log) {
		if l == nil {
			return
		}
		l.Service, l.Instance = u.Service, u.Name
		s.scanned++
		if l.Time.Before(s.since) || !l.Time.Before(s.until) || !s.filter.Match(field(l), func() string { return full(l) }) {
			return
		}
		s.found = append(s.found, *l)
		if len(s.found) > 4*s.want()+1000 {
			s.trim()
		}
	}
	err := p.Read(ctx, u.Name, s.since.Add(-twin), func(at time.Time, text string) error {
		if s.needle != "" && !strings.Contains(text, s.needle) {
			return ctx.Err()
		}
		take(j.Add(printed.Parse(at, []byte(text)), text))
		return ctx.Err()
	})
	take(j.Flush())
	return err
}

// trim drops what no page will show.
func (s *search) trim() {
	s.sort(s.found)
	if len(s.found) > s.want() {
		s.found, s.more = s.found[:s.want()], true
	}
}

func (s *search) sort(logs []telemetry.Log) {
	slices.SortStableFunc(logs, func(a, b telemetry.Log) int {
		if s.oldest {
			return a.Time.Compare(b.Time)
		}
		return b.Time.Compare(a.Time)
	})
}

// page cuts the answer.
func (s *search) page(all []telemetry.Log) telemetry.LogPage {
	s.sort(all)
	all = all[min(s.skip, len(all)):]
	out := telemetry.LogPage{Logs: all, Page: telemetry.Page{Scanned: s.scanned}}
	if len(all) <= s.limit && !s.more {
		return out
	}
	out.Logs, out.Truncated = all[:min(s.limit, len(all))], true
	if n := len(out.Logs); n > 0 {
		last := out.Logs[n-1].Time
		same := 0
		for _, l := range out.Logs {
			if l.Time.Equal(last) {
				same++
			}
		}
		if s.skip > 0 && last.Equal(s.from) {
			same += s.skip
		}
		out.Next = fmt.Sprintf("%d/%d", last.UnixNano(), same)
	}
	return out
}

// merge puts both lists together and leaves out what was printed as well as sent.
func merge(sent, read []telemetry.Log) []telemetry.Log {
	type key struct{ service, body string }
	times := map[key][]time.Time{}
	for i := range sent {
		k := key{sent[i].Service, sent[i].Body}
		times[k] = append(times[k], sent[i].Time)
	}
	all := slices.Clone(sent)
	for _, l := range read {
		k := key{l.Service, l.Body}
		i := slices.IndexFunc(times[k], func(t time.Time) bool { return t.Sub(l.Time).Abs() <= twin })
		if i >= 0 {
			times[k] = slices.Delete(times[k], i, i+1)
			continue
		}
		all = append(all, l)
	}
	return all
}

// field returns the values of a record by key.
func field(l *telemetry.Log) func(key string) (any, bool) {
	return func(key string) (any, bool) {
		switch key {
		case "service", "service.name":
			return l.Service, true
		case "instance", "unit", "service.instance.id":
			return l.Instance, l.Instance != ""
		case "severity", "level":
			return l.Severity, l.Severity != 0
		case "body", "msg", "message":
			return l.Body, true
		case "trace", "trace_id":
			return l.Trace, l.Trace != telemetry.TraceID{}
		case "span", "span_id":
			return l.Span, l.Span != telemetry.SpanID{}
		case "printed":
			return l.Printed, true
		}
		for i := range l.Attrs {
			if l.Attrs[i].Key == key {
				return l.Attrs[i].Value, true
			}
		}
		return nil, false
	}
}

// full is all that a bare word is searched in.
func full(l *telemetry.Log) string {
	var b strings.Builder
	b.WriteString(l.Body)
	for i := range l.Attrs {
		fmt.Fprintf(&b, "\n%s=%v", l.Attrs[i].Key, l.Attrs[i].Value)
	}
	return b.String()
}
