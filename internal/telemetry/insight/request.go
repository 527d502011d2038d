package insight

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// nPlusOne finds one request that asks the same of the same callee again and again.
func nPlusOne(x *seen, l Limits, report report) {
	for _, made := range x.owned {
		if len(made) < l.Same {
			continue
		}
		counts := map[[2]string]int{}
		for _, j := range made {
			if c := &x.made[j]; !c.async && !c.failed && !transaction(c.op) {
				counts[[2]string{c.edge, c.op}]++
			}
		}
		for key, n := range counts {
			if n >= l.Same {
				report(key[0], key[1], fmt.Sprintf("one request did %q %d times over %s", short(key[1]), n, key[0]),
					"ask for all at once: a batch route, IN (…), MGET", x.shown(), float64(n))
			}
		}
	}
}

// transaction reports statements that belong to every transaction and say nothing.
func transaction(op string) bool {
	word, _, _ := strings.Cut(strings.ToUpper(op), " ")
	return slices.Contains([]string{"BEGIN", "COMMIT", "ROLLBACK", "START", "SET", "PING", "HELLO", "AUTH"}, word)
}

// chatty finds one request that goes to one callee very often, for different things.
func chatty(x *seen, l Limits, report report) {
	for _, made := range x.owned {
		if len(made) < l.Chatty {
			continue
		}
		ops := map[string]map[string]bool{}
		counts := map[string]int{}
		for _, j := range made {
			c := &x.made[j]
			if c.async || transaction(c.op) {
				continue
			}
			if ops[c.edge] == nil {
				ops[c.edge] = map[string]bool{}
			}
			ops[c.edge][c.op] = true
			counts[c.edge]++
		}
		for edge, n := range counts {
			if n >= l.Chatty && len(ops[edge]) > 1 {
				report(edge, "", fmt.Sprintf("one request made %d calls over %s", n, edge),
					"offer one route that answers the whole question", x.shown(), float64(n))
			}
		}
	}
}

// retryStorm finds a call that failed and was tried again until it was most of the traffic. Tries that
// wait longer and longer are what one should do, so they may be more.
func retryStorm(x *seen, l Limits, report report) {
	type tries struct {
		all, failed int
		at          []time.Time
	}
	for _, made := range x.owned {
		if len(made) < l.Repeats {
			continue
		}
		counts := map[[2]string]*tries{}
		for _, j := range made {
			c := &x.made[j]
			if c.async {
				continue
			}
			key := [2]string{c.edge, c.op}
			if counts[key] == nil {
				counts[key] = &tries{}
			}
			counts[key].all++
			counts[key].at = append(counts[key].at, x.spans[c.span].Start)
			if c.failed {
				counts[key].failed++
			}
		}
		for key, n := range counts {
			most := l.Repeats
			if patient(n.at) {
				most *= 3
			}
			if n.all >= most && n.failed >= most-1 {
				report(key[0], "", fmt.Sprintf("one request tried %q %d times over %s, %d failed", short(key[1]), n.all, key[0], n.failed),
					"retry in one layer only, with a budget and growing delays", x.shown(), float64(n.all))
			}
		}
	}
}

// patient reports tries of which most waited longer than the one before.
func patient(at []time.Time) bool {
	longer, gaps := 0, len(at)-1
	for i := 2; i < len(at); i++ {
		if at[i].Sub(at[i-1]) > at[i-1].Sub(at[i-2])*5/4 {
			longer++
		}
	}
	return gaps > 1 && longer*3 >= (gaps-1)*2
}

// noTimeout finds callers that wait longer than any user does.
func noTimeout(x *seen, l Limits, report report) {
	for i := range x.made {
		c := &x.made[i]
		s := &x.spans[c.span]
		if c.async || c.from == "" || s.Duration < l.Patient || streams(c) {
			continue
		}
		report(c.edge, "", fmt.Sprintf("%s waited %s for %q over %s", c.from, s.Duration.Round(100*time.Millisecond), short(c.op), c.edge),
			"set a timeout on the call, shorter than the caller's own", x.shown(), s.Duration.Seconds())
	}
}

// streams reports calls that are meant to stay open.
func streams(c *call) bool {
	switch strings.ToUpper(c.op) {
	case "SUBSCRIBE", "PSUBSCRIBE", "BLPOP", "BRPOP", "XREAD", "XREADGROUP", "LISTEN":
		return true
	}
	return c.protocol == "tcp" || c.protocol == "amqp" || c.protocol == "rabbitmq" || c.protocol == "nats"
}

// deepChain finds services that wait for services that wait for services.
func deepChain(x *seen, l Limits, report report) {
	if len(x.made) < l.Depth {
		return
	}
	depth := map[int]int{}  // of the request that a call leads to
	for i := range x.made { // by start, so a caller comes before what it calls
		c := &x.made[i]
		if c.async || c.from == "" {
			continue
		}
		n := depth[c.owner] + 1
		entry := x.entry(c)
		depth[entry] = max(depth[entry], n)
		if n >= l.Depth && x.answers(c) {
			report(c.edge, "", fmt.Sprintf("%d services wait for each other in a row, the last call is %s", n+1, c.edge),
				"let one caller ask them side by side, or send an event", x.shown(), float64(n))
		}
	}
}

// entry returns the request that a call is in its callee: its own span where an edge recorded it, which
// is what owner finds too, else the callee's server span.
func (x *seen) entry(c *call) int {
	for _, k := range x.kids[c.span] {
		if x.spans[k].Service == c.to && x.spans[k].Edge == "" {
			return k
		}
	}
	return c.span
}

// answers reports a callee that is a service: it has a span of its own, or calls others itself.
func (x *seen) answers(c *call) bool {
	return x.entry(c) != c.span || len(x.owned[c.span]) > 0 || c.protocol == "http" || c.protocol == "grpc"
}

// few calls, one after the other, are no matter.
const few = 3

// sequential finds calls to different services, one after the other, that fill most of a request.
func sequential(x *seen, _ Limits, report report) {
	for owner, made := range x.owned {
		if len(made) < few {
			continue
		}
		var to []string
		var sum time.Duration
		var free time.Time // when the last call had ended
		for _, j := range made {
			c := &x.made[j]
			s := &x.spans[c.span]
			if c.async || !x.answers(c) {
				continue
			}
			if s.Start.Before(free) || slices.Contains(to, c.to) {
				to = nil
				break
			}
			to, sum, free = append(to, c.to), sum+s.Duration, ends(s)
		}
		request := &x.spans[owner]
		if len(to) >= few && sum > request.Duration/2 && sum > 20*time.Millisecond {
			from := x.made[made[0]].from
			report(from, strings.Join(to, ","), fmt.Sprintf("%s calls %s one after the other, %s of %s", from, strings.Join(to, ", "),
				sum.Round(time.Millisecond), request.Duration.Round(time.Millisecond)),
				"call those side by side that do not need each other's answer", x.shown(), sum.Seconds())
		}
	}
}

// short puts an operation on one line and cuts it, for a sentence.
func short(op string) string {
	op = strings.Join(strings.Fields(op), " ")
	if r := []rune(op); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return op
}
