package telemetry

import (
	"cmp"
	"slices"
	"time"
)

// joiner puts traces together over blocks, newest first by arrival. What came last replaces what came before.
type joiner struct {
	blocks []block
	views  []*view // all of a row
	briefs []*view // what a list shows
}

func newJoiner(blocks []block) *joiner {
	return &joiner{blocks: blocks, views: make([]*view, len(blocks)), briefs: make([]*view, len(blocks))}
}

func (r *joiner) view(rank int) (*view, error) { return r.open(r.views, rank, nil) }

func (r *joiner) brief(rank int) (*view, error) { return r.open(r.briefs, rank, briefly) }

// open returns the view of a block that was opened before, or a new one with these keys.
func (r *joiner) open(of []*view, rank int, keys []string) (v *view, err error) {
	if of[rank] != nil {
		return of[rank], nil
	}
	if v, err = newView(r.blocks[rank], false, keys); err == nil {
		of[rank] = v
	}
	return v, err
}

// place is where rows of a trace are.
type place struct {
	rank int
	rows []uint32
}

// any reports whether one of the rows is in the set.
func (p *place) any(rows bitset) bool {
	return slices.ContainsFunc(p.rows, func(row uint32) bool { return rows.has(int(row)) })
}

// whole is all rows of one trace that count.
type whole struct {
	places        []place
	start, end    int64
	spans, errors int
}

// whole gathers a trace. Segments that cannot be read are passed over.
func (r *joiner) whole(id TraceID) *whole {
	w := &whole{start: 1<<63 - 1, end: -1 << 63}
	for rank, b := range r.blocks {
		if !b.mayHave(id) {
			continue
		}
		t, err := b.traces()
		if err != nil {
			continue
		}
		if rows := living(t.rowsWith(id), b.alive()); len(rows) > 0 {
			w.places = append(w.places, place{rank, rows})
		}
	}
	if len(w.places) > 1 {
		r.replace(w)
	}
	for i := range w.places {
		r.measure(w, &w.places[i])
	}
	return w
}

func living(rows []uint32, live bitset) []uint32 {
	if live == nil {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), func(row uint32) bool { return !live.has(int(row)) })
}

// replace drops the rows of spans that came again later.
func (r *joiner) replace(w *whole) {
	seen := map[uint64]bool{}
	for i := range w.places {
		p := &w.places[i]
		ids, err := r.blocks[p.rank].spans()
		if err != nil {
			p.rows = nil
			continue
		}
		p.rows = slices.DeleteFunc(slices.Clone(p.rows), func(row uint32) bool { return seen[ids[row]] })
		for _, row := range p.rows {
			seen[ids[row]] = true
		}
	}
	w.places = slices.DeleteFunc(w.places, func(p place) bool { return len(p.rows) == 0 })
}

func (r *joiner) measure(w *whole, p *place) {
	v, err := r.brief(p.rank)
	if err != nil {
		p.rows = nil
		return
	}
	for _, row := range p.rows {
		w.spans++
		w.start, w.end = min(w.start, v.start[row]), max(w.end, v.start[row]+v.dur[row])
		if tagStatus(v.tag[row]) == Failed {
			w.errors++
		}
	}
}

// line makes the row of a list.
func (r *joiner) line(w *whole) TraceLine {
	type item struct {
		start   int64
		root    bool
		id      uint64
		name    string
		service string
	}
	items := make([]item, 0, w.spans)
	line := TraceLine{Spans: w.spans, Errors: w.errors, Start: moment(w.start), Duration: time.Duration(w.end - w.start), Services: []string{}}
	for _, p := range w.places {
		v, err := r.brief(p.rank)
		if err != nil {
			continue
		}
		for _, row := range p.rows {
			s := v.readSpan(row)
			line.ID = s.Trace
			items = append(items, item{v.start[row], v.parent[row] == 0, v.span[row], s.Name, s.Service})
		}
	}
	slices.SortFunc(items, func(a, b item) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.id, b.id)) })
	for _, it := range items {
		if it.service != "" && !slices.Contains(line.Services, it.service) {
			line.Services = append(line.Services, it.service)
		}
	}
	if len(items) == 0 {
		return line
	}
	head := slices.IndexFunc(items, func(it item) bool { return it.root })
	line.Partial = head < 0
	line.Service, line.Name = items[max(head, 0)].service, items[max(head, 0)].name
	return line
}

// kind is [Request] or [Background].
func (r *joiner) kind(w *whole) string {
	for _, p := range w.places {
		v, err := r.brief(p.rank)
		if err == nil && slices.ContainsFunc(p.rows, func(row uint32) bool { return serves(tagKind(v.tag[row])) }) {
			return Request
		}
	}
	for _, p := range w.places {
		v, err := r.view(p.rank)
		if err == nil && slices.ContainsFunc(p.rows, func(row uint32) bool {
			s := v.readSpan(row)
			return asks(&s)
		}) {
			return Request
		}
	}
	return Background
}

// serves reports the kinds of span that work on what somebody asked for.
func serves(k Kind) bool { return k == Server || k == Consumer }

// asks reports a call in a protocol in which services ask each other.
func asks(s *Span) bool {
	protocol, _ := s.Value("network.protocol.name")
	return protocol == "http" || protocol == "grpc"
}
