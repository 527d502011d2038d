package experiment

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// turn is one item of Chaos Toolkit's method: an action, or a probe that is looked at once at its turn.
type turn struct {
	step          *Step
	probe         *Probe
	before, after time.Duration // pauses
	background    bool
}

// foreign reports an experiment of Chaos Toolkit.
func foreign(doc *yaml.Node) bool {
	return has(doc, "method") != nil || has(doc, "steady-state-hypothesis") != nil
}

// toolkit reads an experiment of Chaos Toolkit. Its http and process providers are run as they are, and its actions
// for Toxiproxy as faults, where a proxy is called as an edge is. What else it has is named as a mistake.
func (r *reader) toolkit(doc *yaml.Node) *Experiment {
	k := kit{reader: r, e: &Experiment{Pos: r.pos(doc), Early: true}, values: map[string]string{}, room: maxText}
	e := k.e
	ignore := func(*yaml.Node) {}
	r.mapping(doc, "an experiment of Chaos Toolkit", []field{
		{"version", ignore}, {"title", r.text(&e.Title)}, {"description", r.text(&e.Description)}, {"tags", r.texts(&e.Tags)},
		{"contributions", ignore}, {"runtime", ignore}, {"extensions", ignore},
		{"configuration", k.configuration},
		{"secrets", func(n *yaml.Node) {
			if len(n.Content) > 0 {
				r.fail(n, "put them into the environment of a process", "secrets are not supported")
			}
		}},
		{"controls", func(n *yaml.Node) {
			if len(n.Content) > 0 {
				r.fail(n, "remove them", "controls are not supported: they are Python")
			}
		}},
		{"steady-state-hypothesis", ignore}, {"method", ignore}, {"rollbacks", ignore},
	})
	if n := has(doc, "steady-state-hypothesis"); n != nil {
		r.mapping(n, "the hypothesis", []field{{"title", ignore}, {"probes", r.each("probes", func(n *yaml.Node) {
			if p := k.probe(n, true); p != nil {
				e.Before, e.After = append(e.Before, *p), append(e.After, *p)
			}
		})}})
	}
	if n := has(doc, "method"); n != nil {
		r.each("method", k.turn)(n)
	}
	if n := has(doc, "rollbacks"); n != nil {
		r.each("rollbacks", func(n *yaml.Node) {
			if s := k.step(n); s != nil {
				e.Rollback = append(e.Rollback, *s)
			}
		})(n)
	}
	if len(e.Before)+len(e.Method) == 0 && len(r.errs) == 0 {
		r.fail(doc, "add a probe to the steady-state-hypothesis", "the experiment looks at nothing: there is no steady-state-hypothesis and no method")
	}
	if e.Title == "" {
		r.fail(doc, "add title", "the experiment has no title")
	}
	r.variables(e, k.values)
	return e
}

// kit reads what Chaos Toolkit has.
type kit struct {
	*reader
	e      *Experiment
	values map[string]string // of configuration
	room   int               // bytes that may still be made by filling them in
}

// configuration keeps constants and what is read from the environment.
func (k *kit) configuration(n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, v := n.Content[i].Value, n.Content[i+1]
		if v.Kind == yaml.ScalarNode {
			k.values[name] = v.Value
			continue
		}
		kind, key := has(v, "type"), has(v, "key")
		if kind == nil || kind.Value != "env" || key == nil {
			k.fail(v, "write a value, or {type: env, key: NAME}", "the configuration %q is of no kind that is supported", name)
			continue
		}
		k.values[name] = os.Getenv(key.Value)
		if other := has(v, "default"); k.values[name] == "" && other != nil {
			k.values[name] = other.Value
		}
	}
}

// valued is the place of a value of the configuration.
var valued = regexp.MustCompile(`\$\{[^${}]+\}`)

// filled puts the values of the configuration in the places of their names. What a value holds is left as it is: those
// that name each other would grow without end.
func (k *kit) filled(s string) string {
	return valued.ReplaceAllStringFunc(s, func(place string) string {
		value, known := k.values[place[2:len(place)-1]]
		if !known {
			return place // a variable of the run
		}
		if k.room -= len(value); k.room < 0 {
			k.fail(nil, "", "the file holds too much when its configuration is filled in")
			return ""
		}
		return value
	})
}

// activity are the keys of a probe or action.
type activity struct {
	sort, name          string
	provider, tolerance *yaml.Node
	before, after       time.Duration
	background          bool
}

func (k *kit) activity(n *yaml.Node) (a activity) {
	seconds := func(into *time.Duration) func(*yaml.Node) {
		return func(n *yaml.Node) {
			v, err := strconv.ParseFloat(n.Value, 64)
			if err != nil || v < 0 || v > 3600 {
				k.fail(n, "write seconds", "%q is no pause", shorten(n.Value))
			}
			*into = time.Duration(v * float64(time.Second))
		}
	}
	ignore := func(*yaml.Node) {}
	k.mapping(n, "an activity", []field{{"type", k.text(&a.sort)}, {"name", k.text(&a.name)}, {"background", k.truth(&a.background)},
		{"provider", func(n *yaml.Node) { a.provider = n }}, {"tolerance", func(n *yaml.Node) { a.tolerance = n }},
		{"pauses", func(n *yaml.Node) {
			k.mapping(n, "pauses", []field{{"before", seconds(&a.before)}, {"after", seconds(&a.after)}})
		}}, {"ref", func(n *yaml.Node) { k.fail(n, "write it out", "ref is not supported") }}, {"configuration", ignore}, {"dry", ignore},
		{"controls", func(n *yaml.Node) { k.fail(n, "remove them", "controls are not supported: they are Python") }}})
	if a.provider == nil {
		k.fail(n, "", "%q has no provider", shorten(a.name))
	}
	return a
}

// turn reads one item of the method.
func (k *kit) turn(n *yaml.Node) {
	a := k.activity(n)
	if a.provider == nil {
		return
	}
	t := turn{before: a.before, after: a.after, background: a.background}
	if a.sort == "probe" {
		t.probe = k.probe(n, a.tolerance != nil)
	} else {
		t.step = k.stepOf(n, a)
	}
	if t.probe != nil || t.step != nil {
		k.e.Method = append(k.e.Method, t)
	}
}

func (k *kit) step(n *yaml.Node) *Step {
	a := k.activity(n)
	if a.provider == nil {
		return nil
	}
	return k.stepOf(n, a)
}

// stepOf makes an action.
func (k *kit) stepOf(n *yaml.Node, a activity) *Step {
	s := &Step{Pos: k.pos(n), Name: a.name}
	switch kind := has(a.provider, "type"); {
	case kind == nil:
		k.fail(a.provider, "", "the provider has no type")
	case kind.Value == "http":
		s.Act = &request{call: k.http(a.provider, nil)}
	case kind.Value == "process":
		s.Act = &running{command: k.process(a.provider)}
	default:
		s.Act = k.toxi(a.provider, or(a.name, "an action without a name"))
	}
	if s.Act == nil {
		return nil
	}
	return s
}

// probe makes a probe; one without a tolerance takes anything.
func (k *kit) probe(n *yaml.Node, judged bool) *Probe {
	a := k.activity(n)
	if a.provider == nil {
		return nil
	}
	p := &Probe{Pos: k.pos(n), Name: a.name, Within: time.Millisecond}
	kind := has(a.provider, "type")
	switch {
	case kind != nil && kind.Value == "http":
		look := &httpProbe{k.http(a.provider, a.tolerance)}
		if !judged {
			look.status = statuses{"1xx", "2xx", "3xx", "4xx", "5xx"}
		}
		p.Kind, p.Look = "http", look
	case kind != nil && kind.Value == "process":
		look := &cmdProbe{command: k.process(a.provider)}
		if k.tolerate(a.tolerance, func(n *yaml.Node) { k.want(&look.exit)(n) }, &look.expect); !judged {
			look.exit = Want{op: ">=", value: "0"}
		}
		p.Kind, p.Look = "cmd", look
	default:
		k.unsupported(a.provider)
		return nil
	}
	return p
}

// tolerate reads a tolerance: a number, a list of numbers, a pattern or a range.
func (k *kit) tolerate(n *yaml.Node, number func(*yaml.Node), expect *text) {
	if n == nil {
		return
	}
	kind := has(n, "type")
	switch {
	case n.Kind == yaml.ScalarNode || n.Kind == yaml.SequenceNode:
		number(n)
	case kind != nil && kind.Value == "regex" && has(n, "pattern") != nil:
		k.expression(&expect.find)(has(n, "pattern"))
		expect.want = Want{op: ">=", value: "1"}
	case kind != nil && kind.Value == "jsonpath" && has(n, "path") != nil && has(n, "expect") != nil:
		expect.path = strings.TrimPrefix(strings.TrimPrefix(has(n, "path").Value, "$"), ".")
		values := has(n, "expect")
		if values.Kind == yaml.SequenceNode && len(values.Content) == 1 {
			values = values.Content[0]
		}
		k.want(&expect.want)(values)
	default:
		k.fail(n, "a status, a list of them, regex or jsonpath", "this tolerance is not supported")
	}
}

// http reads the http provider.
func (k *kit) http(n *yaml.Node, tolerance *yaml.Node) (c call) {
	var where string
	var seconds float64
	c.method = http.MethodGet
	ignore := func(*yaml.Node) {}
	k.mapping(n, "the http provider", []field{{"type", ignore}, {"url", k.text(&where)}, {"method", k.text(&c.method)},
		{"headers", k.pairs(&c.header)}, {"arguments", k.value(&c.json)}, {"expected_status", c.status.read(k.reader)},
		{"timeout", k.number(&seconds, 0, 3600)}, {"verify_tls", ignore},
		{"secrets", func(n *yaml.Node) { k.fail(n, "remove them", "secrets are not supported") }}})
	for name, value := range c.header {
		c.header[name] = k.filled(value)
	}
	k.noted(n, "url", "headers")
	c.timeout = time.Duration(seconds * float64(time.Second))
	c.line, c.method = where, strings.ToUpper(c.method)
	u, err := url.Parse(k.filled(where))
	switch {
	case err != nil || u.Scheme != "http" || u.Host == "":
		k.fail(n, "write http://orders/items, with a service of the stack, or an address of this machine", "%q is not in the stack", shorten(where))
	case loopback(u.Hostname()):
		c.path = u.String()
	default: // a service by its name
		c.service, c.port, c.path = u.Hostname(), "http", u.RequestURI()
	}
	k.tolerate(tolerance, func(n *yaml.Node) { c.status = nil; c.status.read(k.reader)(n) }, &c.expect)
	return c
}

// process reads the process provider.
func (k *kit) process(n *yaml.Node) (c command) {
	var path string
	var seconds float64
	ignore := func(*yaml.Node) {}
	var arguments []string
	k.mapping(n, "the process provider", []field{{"type", ignore}, {"path", k.text(&path)}, {"timeout", k.number(&seconds, 0, 3600)},
		{"env", k.pairs(&c.env)}, {"arguments", func(n *yaml.Node) {
			switch n.Kind {
			case yaml.ScalarNode:
				arguments = strings.Fields(n.Value)
			case yaml.MappingNode:
				for _, one := range n.Content {
					if one.Value != "" {
						arguments = append(arguments, one.Value)
					}
				}
			default:
				k.texts(&arguments)(n)
			}
		}}})
	if path == "" {
		k.fail(n, "add path: the program", "the process provider does not say what is run")
	}
	c.timeout = time.Duration(seconds * float64(time.Second))
	for _, one := range append([]string{path}, arguments...) {
		c.argv = append(c.argv, k.filled(one))
	}
	if !slices.ContainsFunc(c.argv, interprets) {
		k.noted(n, "path", "arguments")
	}
	return c
}

// noted are keys of a provider in whose texts the configuration is filled in.
func (k *kit) noted(provider *yaml.Node, keys ...string) {
	for _, key := range keys {
		if value := has(provider, key); value != nil {
			k.places = append(k.places, place{at: value})
		}
	}
}

// toxics are the actions of chaostoxi that make a toxic, and what they are here: the words of a fault from their arguments.
var toxics = map[string]func(a map[string]string) string{
	"create_latency_toxic": func(a map[string]string) string {
		return "latency=" + or(a["latency"], "0") + "ms,jitter=" + or(a["jitter"], "0") + "ms"
	},
	"create_bandwith_degradation_toxic":  func(a map[string]string) string { return "bandwidth=" + or(a["rate"], "0") + "KB/s" },
	"create_bandwidth_degradation_toxic": func(a map[string]string) string { return "bandwidth=" + or(a["rate"], "0") + "KB/s" },
	"create_slow_connection_close_toxic": func(a map[string]string) string { return "slow-close=" + or(a["delay"], "0") + "ms" },
	"create_slicer_toxic": func(a map[string]string) string {
		return "slicer=" + or(a["average_size"], "1") + ",variation=" + or(a["size_variation"], "0") + ",delay=" + or(a["delay"], "0") + "us"
	},
	"create_limiter_toxic": func(a map[string]string) string { return "limit,bytes=" + or(a["bytes_limit"], "0") },
}

// byType are the same by the type of a toxic, with the arguments of create_toxic.
var byType = map[string]func(a map[string]string) string{
	"latency": toxics["create_latency_toxic"], "bandwidth": toxics["create_bandwidth_degradation_toxic"],
	"slow_close": toxics["create_slow_connection_close_toxic"], "slicer": toxics["create_slicer_toxic"],
	"limit_data": func(a map[string]string) string { return "limit,bytes=" + or(a["bytes"], "0") },
	"reset_peer": func(a map[string]string) string { return "reset,after=" + or(a["timeout"], "0") + "ms" },
	"timeout": func(a map[string]string) string {
		if or(a["timeout"], "0") == "0" {
			return "blackhole"
		}
		return "blackhole,after=" + a["timeout"] + "ms"
	},
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// toxi maps an action of chaostoxi of that name. A proxy is called as the edge is: "orders:payments".
func (k *kit) toxi(n *yaml.Node, name string) Action {
	module, fn := has(n, "module"), has(n, "func")
	if module == nil || fn == nil || !strings.HasPrefix(module.Value, "chaostoxi.") || !strings.HasSuffix(module.Value, ".actions") {
		k.unsupported(n)
		return nil
	}
	args := map[string]string{}
	if list := has(n, "arguments"); list != nil {
		k.flatten(list, args)
	}
	proxy, toxic := or(args["for_proxy"], args["proxy_name"]), or(args["toxic_name"], args["name"])
	words := ""
	switch make := toxics[fn.Value]; {
	case make != nil:
		words = make(args)
	case fn.Value == "create_toxic" && byType[args["toxic_type"]] != nil:
		words = byType[args["toxic_type"]](args)
		if stream := args["stream"]; stream != "" {
			words += " stream=" + strings.TrimSuffix(stream, "stream")
		}
		if share := args["toxicity"]; share != "" && share != "1" && share != "1.0" {
			words += " toxicity=" + share
		}
	case fn.Value == "disable_proxy":
		words, toxic = "reset,now refuse", "disabled"
	case fn.Value == "enable_proxy":
		return &lifting{of: proxy + " disabled", by: name}
	case fn.Value == "delete_toxic":
		return &lifting{of: proxy + " " + toxic, by: name}
	case fn.Value == "reset":
		return &lifting{by: name}
	default:
		k.unsupported(n)
		return nil
	}
	f := &faults{line: proxy + " " + words, label: proxy + " " + toxic}
	f.parse(k.reader, n)
	return f
}

// flatten brings the arguments of an action, and the attributes of a toxic among them, into one mapping.
func (k *kit) flatten(n *yaml.Node, into map[string]string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if v := n.Content[i+1]; v.Kind == yaml.MappingNode {
			k.flatten(v, into)
		} else {
			into[n.Content[i].Value] = k.filled(v.Value)
		}
	}
}

func (k *kit) unsupported(n *yaml.Node) {
	name := "this provider"
	if kind := has(n, "type"); kind != nil {
		name = "the provider " + strconv.Quote(shorten(kind.Value))
	}
	if module, fn := has(n, "module"), has(n, "func"); module != nil && fn != nil {
		name = fmt.Sprintf("%s of %s", shorten(fn.Value), shorten(module.Value))
	}
	k.fail(n, "http, process and the actions of chaostoxi run here", "%s is not supported", name)
}
