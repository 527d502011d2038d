package coverage

import (
	"maps"
	"strings"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/route"
	"msctl.dev/msctl/internal/telemetry"
)

// Keys are the attributes of spans that [Spans] reads.
var Keys = []string{
	"http.request.method", "http.route", "url.path", "url.template", "rpc.system.name", "rpc.method",
	"messaging.system", "messaging.destination.name", "messaging.rabbitmq.destination.routing_key", "messaging.routing_key",
}

// maxPaths is how many operations of one edge are told apart; more are not counted.
const maxPaths = 4000

// Spans gathers what was seen from spans. Its zero value is ready.
type Spans struct {
	asked  map[Pair]map[Seen]int // requests and calls, by edge
	told   [2]messages           // by brokers' edges, and by the services themselves
	routes route.Table           // that services have told
}

// Routes returns the routes of the services that told of some.
func (c *Spans) Routes() *route.Table { return &c.routes }

// messages are who published and who was given messages, by key.
type messages struct {
	published, given map[string]map[string]int
}

// Add takes one span.
func (c *Spans) Add(s *telemetry.Span) {
	c.routes.Add(s)
	from, to, crossed := strings.Cut(s.Edge, ":")
	switch {
	case s.Word("messaging.system") != "" || !crossed && s.Word("messaging.routing_key") != "":
		c.message(s, from, crossed)
	case !crossed || from == "":
	case s.Word("rpc.system.name") == "grpc" && s.Word("rpc.method") != "":
		c.ask(Seen{Consumer: from, Provider: to, Kind: contracts.Call, Path: s.Word("rpc.method")})
	case s.Word("http.request.method") != "":
		path := s.Word("url.template") // what looks like an id is folded already
		if path == "" {
			path = s.Word("url.path")
		}
		c.ask(Seen{Consumer: from, Provider: to, Kind: contracts.HTTP, Method: strings.ToUpper(s.Word("http.request.method")), Path: path})
	}
}

func (c *Spans) ask(s Seen) {
	if c.asked == nil {
		c.asked = map[Pair]map[Seen]int{}
	}
	p := Pair{s.Consumer, s.Provider}
	if c.asked[p] == nil {
		c.asked[p] = map[Seen]int{}
	}
	if _, known := c.asked[p][s]; known || len(c.asked[p]) < maxPaths && s.Path != "" {
		c.asked[p][s]++
	}
}

// message takes a span that published or was given a message.
func (c *Spans) message(s *telemetry.Span, from string, crossed bool) {
	key := s.Word("messaging.rabbitmq.destination.routing_key")
	if key == "" {
		key = s.Word("messaging.routing_key")
	}
	if dest := s.Word("messaging.destination.name"); key == "" && s.Word("messaging.system") == "nats" {
		_, key, _ = strings.Cut(dest, ".") // the first word stands for the exchange
	}
	m := &c.told[0]
	if !crossed {
		from, m = s.Service, &c.told[1]
	}
	if key == "" || from == "" {
		return
	}
	switch s.Kind {
	case telemetry.Producer:
		count(&m.published, key, from)
	case telemetry.Consumer:
		count(&m.given, key, from)
	}
}

func count(of *map[string]map[string]int, key, service string) {
	if *of == nil {
		*of = map[string]map[string]int{}
	}
	if (*of)[key] == nil {
		(*of)[key] = map[string]int{}
	}
	(*of)[key][service]++
}

// Seen returns what the spans tell, in no order. A message is of every service that published its key.
func (c *Spans) Seen() []Seen {
	var out []Seen
	for _, all := range c.asked {
		for s, n := range all {
			s.Count = n
			out = append(out, s)
		}
	}
	published, given := merged(c.told[0].published, c.told[1].published), merged(c.told[0].given, c.told[1].given)
	for key, consumers := range given {
		for consumer, n := range consumers {
			for provider := range published[key] {
				if provider != consumer {
					out = append(out, Seen{Consumer: consumer, Provider: provider, Kind: contracts.Message, Path: key, Count: n})
				}
			}
		}
	}
	return out
}

// merged takes of what services say themselves that which no edge has seen.
func merged(edges, own map[string]map[string]int) map[string]map[string]int {
	out := map[string]map[string]int{}
	for key := range own {
		out[key] = maps.Clone(own[key])
	}
	for key, by := range edges {
		if out[key] == nil {
			out[key] = map[string]int{}
		}
		maps.Copy(out[key], by)
	}
	return out
}
