package otlp

import (
	"bufio"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// stale is the age at which a series is no longer shown to Prometheus.
const stale = 5 * time.Minute

// Edge is one caller and callee with what went over it, for /metrics.
type Edge struct {
	From, To, Protocol string
	Requests, Errors   int64
	InFlight, Open     int64
	Sent, Received     int64 // bytes
	P50, P95, P99      time.Duration
}

// prometheus answers GET /metrics in Prometheus's text format.
func (s *server) prometheus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	p := page{Writer: bufio.NewWriter(w)}
	defer p.Flush()
	if s.Edges != nil {
		p.edges(s.Edges())
	}
	p.own(s.Counts())
	if s.Dropped != nil {
		p.dropped(s.Dropped())
	}
	if s.Metrics != nil {
		p.series(s.Metrics.Last(time.Now().Add(-stale)))
	}
}

// page writes the text format.
type page struct{ *bufio.Writer }

func (p page) head(name, kind, doc string) {
	if doc != "" {
		fmt.Fprintf(p, "# HELP %s %s\n", name, escapeDoc(doc))
	}
	fmt.Fprintf(p, "# TYPE %s %s\n", name, kind)
}

func (p page) sample(name, labels string, v float64) {
	p.WriteString(name)
	if labels != "" {
		p.WriteString("{" + labels + "}")
	}
	p.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

// edges writes what went over msctl's edges. Those to several ports of one callee are one series.
func (p page) edges(edges []Edge) {
	edges = merged(edges)
	for _, f := range []struct {
		name, kind, doc string
		of              func(Edge) int64
	}{
		{"msctl_edge_requests_total", "counter", "Requests, commands or connections that went over an edge.", func(e Edge) int64 { return e.Requests }},
		{"msctl_edge_errors_total", "counter", "Of these those that failed.", func(e Edge) int64 { return e.Errors }},
		{"msctl_edge_in_flight", "gauge", "Requests under way.", func(e Edge) int64 { return e.InFlight }},
		{"msctl_edge_connections", "gauge", "Open connections.", func(e Edge) int64 { return e.Open }},
		{"msctl_edge_sent_bytes_total", "counter", "Bytes from the caller.", func(e Edge) int64 { return e.Sent }},
		{"msctl_edge_received_bytes_total", "counter", "Bytes from the callee.", func(e Edge) int64 { return e.Received }},
	} {
		p.head(f.name, f.kind, f.doc)
		for _, e := range edges {
			p.sample(f.name, e.labels(), float64(f.of(e)))
		}
	}
	p.head("msctl_edge_latency_seconds", "gauge", "Time to the answer, over the last seconds.")
	for _, e := range edges {
		p.sample("msctl_edge_latency_seconds", e.labels()+`,quantile="0.5"`, e.P50.Seconds())
		p.sample("msctl_edge_latency_seconds", e.labels()+`,quantile="0.95"`, e.P95.Seconds())
		p.sample("msctl_edge_latency_seconds", e.labels()+`,quantile="0.99"`, e.P99.Seconds())
	}
}

// merged adds up the edges that have the same labels, and keeps the longest times of them.
func merged(edges []Edge) []Edge {
	var out []Edge
	for _, e := range edges {
		i := slices.IndexFunc(out, func(o Edge) bool { return o.labels() == e.labels() })
		if i < 0 {
			out = append(out, e)
			continue
		}
		o := &out[i]
		o.Requests, o.Errors, o.InFlight, o.Open = o.Requests+e.Requests, o.Errors+e.Errors, o.InFlight+e.InFlight, o.Open+e.Open
		o.Sent, o.Received = o.Sent+e.Sent, o.Received+e.Received
		o.P50, o.P95, o.P99 = max(o.P50, e.P50), max(o.P95, e.P95), max(o.P99, e.P99)
	}
	return out
}

func (e Edge) labels() string {
	return label("from", e.From) + "," + label("to", e.To) + "," + label("protocol", e.Protocol)
}

// own writes what the receiver itself did.
func (p page) own(c Counts) {
	p.head("msctl_telemetry_requests_total", "counter", "Exports by what became of them.")
	for _, f := range []struct {
		result string
		n      int64
	}{{"accepted", c.Requests}, {"full", c.Full}, {"malformed", c.Malformed}, {"too_large", c.TooLarge}} {
		p.sample("msctl_telemetry_requests_total", label("result", f.result), float64(f.n))
	}
	p.head("msctl_telemetry_rejected_total", "counter", "Spans, records and points dropped from accepted exports.")
	p.sample("msctl_telemetry_rejected_total", "", float64(c.Rejected))
}

// dropped writes what was lost.
func (p page) dropped(d Dropped) {
	p.head("msctl_telemetry_dropped_total", "counter", "Spans and records that were taken and are not kept, by where they were lost.")
	p.sample("msctl_telemetry_dropped_total", label("at", "edges"), float64(d.Edges))
	p.sample("msctl_telemetry_dropped_total", label("at", "store"), float64(d.Store))
}

// series writes the metrics of the services: those of one name together, as the format demands. A name
// that two services use for different types is written with the type that comes first.
func (p page) series(all []telemetry.Series) {
	families := map[string][]telemetry.Series{}
	for _, s := range all {
		name := family(s)
		families[name] = append(families[name], s)
	}
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p.family(name, families[name])
	}
}

func (p page) family(name string, of []telemetry.Series) {
	slices.SortStableFunc(of, func(a, b telemetry.Series) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(labels(a), labels(b)))
	})
	kind := kindOf(of[0])
	p.head(name, kind, of[0].Doc)
	seen := map[string]bool{}
	for _, s := range of {
		l := labels(s)
		if kindOf(s) != kind || len(s.Points) == 0 || seen[l] {
			continue
		}
		seen[l] = true
		p.point(name, l, s, s.Points[len(s.Points)-1])
	}
}

func (p page) point(name, labels string, s telemetry.Series, pt telemetry.Point) {
	switch s.Type {
	case "histogram":
		var sum uint64
		for i, bound := range pt.Bounds {
			if i < len(pt.Counts) {
				sum += pt.Counts[i]
			}
			p.sample(name+"_bucket", labels+","+label("le", strconv.FormatFloat(bound, 'g', -1, 64)), float64(sum))
		}
		p.sample(name+"_bucket", labels+`,le="+Inf"`, float64(pt.Count))
	case "summary":
		for i, q := range pt.Bounds {
			if i < len(pt.Values) {
				p.sample(name, labels+","+label("quantile", strconv.FormatFloat(q, 'g', -1, 64)), pt.Values[i])
			}
		}
	default:
		p.sample(name, labels, pt.Value)
		return
	}
	p.sample(name+"_sum", labels, pt.Value)
	p.sample(name+"_count", labels, float64(pt.Count))
}
