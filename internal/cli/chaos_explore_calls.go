package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/telemetry"
)

// callsOf are the calls of a trace that went over edges, each below the one that it was made for.
func callsOf(tr telemetry.Trace) []explore.Seen {
	rows := slices.Clone(tr.Rows)
	slices.SortStableFunc(rows, func(a, b telemetry.Row) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Depth, b.Depth))
	})
	spans, at := map[telemetry.SpanID]*telemetry.Row{}, map[telemetry.SpanID]int{}
	var seen []explore.Seen
	for i := range rows {
		r := &rows[i]
		spans[r.ID] = r
		if r.Edge == "" || r.Scope != edgeScope {
			continue
		}
		at[r.ID] = len(seen)
		start := r.Start.Sub(tr.Start)
		seen = append(seen, explore.Seen{Of: -1, Call: explore.Call{
			Edge: r.Edge, Op: r.Name, Proto: attrOf(r, "network.protocol.name"), Kind: kindWord(r.Kind),
			Dest: attrOf(r, "messaging.destination.name"), Start: start, End: start + r.Duration, Got: gotOf(r),
		}})
	}
	for i := range rows {
		if n, edge := at[rows[i].ID]; edge {
			seen[n].Of = callerOf(spans, at, &rows[i])
		}
	}
	return seen
}

// callerOf is the index of the nearest call over an edge above a span, or -1.
func callerOf(spans map[telemetry.SpanID]*telemetry.Row, at map[telemetry.SpanID]int, r *telemetry.Row) int {
	for range len(spans) {
		up := spans[r.Parent]
		if up == nil || up == r {
			return -1
		}
		if n, edge := at[up.ID]; edge {
			return n
		}
		r = up
	}
	return -1
}

// whole reports that the callers of everything in a trace but its first call are known.
func whole(tr telemetry.Trace) bool {
	return len(tr.Rows) > 0 && !slices.ContainsFunc(tr.Rows, func(r telemetry.Row) bool {
		return r.Orphan && !strings.HasPrefix(r.Edge, ":")
	})
}

func kindWord(k telemetry.Kind) string {
	switch k {
	case telemetry.Producer:
		return "publish"
	case telemetry.Consumer:
		return "consume"
	}
	return ""
}

// gotOf is what the caller got, in a word that is the same for the same.
func gotOf(r *telemetry.Row) string {
	switch attrOf(r, "network.protocol.name") {
	case "http":
		if status := attrOf(r, "http.response.status_code"); status != "" && status != "0" {
			return status
		}
	case "grpc":
		if code := attrOf(r, "rpc.grpc.status_code"); code != "0" {
			return "code " + code
		}
	}
	if r.Status == telemetry.Failed {
		return "failed"
	}
	return "ok"
}

func attrOf(r *telemetry.Row, key string) string {
	for _, a := range r.Attrs {
		if a.Key == key {
			return fmt.Sprint(a.Value)
		}
	}
	return ""
}

// Times of reading a trace.
const (
	traceAgain = 50 * time.Millisecond
	traceQuiet = 300 * time.Millisecond // nothing new for so long: it is all there
	traceMost  = 3 * time.Second
)
