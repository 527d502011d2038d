package chaos

import (
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/state"
)

// Options are the words of [Parse] that are about every kind of a line.
var Options = []Option{
	{"match", "which requests: a path such as /orders/{id} or /orders*, or the name of a call or statement; match.method=POST, match.header=X-User:7"},
	{"toxicity", "share of the connections or requests that it acts on (default 1)"},
	{"stream", "up (caller to callee) or down"},
	{"seed", "of the coins that toxicity tosses; the same seed gives the same coins"},
	{"for", "how long it acts (default 10m)"},
	{"lease", "it acts for as long as somebody renews the lease of that name"},
	{"name", "its name in the list (default: the kind and a number)"},
}

// Option is a word about every kind of a line.
type Option struct{ Name, Doc string }

// Parse reads a target and what is done to it, as in
//
//	orders:payments latency=300ms,jitter=50ms refuse match=/charge toxicity=0.5 for=30s
//
// A word is a kind with its parameters, which may be words of their own, or an option, which is about all
// kinds of the line. A value in double quotes is a Go string; commas in brackets divide nothing. The error
// is an [*Error].
func Parse(words []string) ([]state.Fault, error) {
	if len(words) == 0 {
		return nil, wrong("a target is CALLER:CALLEE; `msctl edges` lists them", "read fault: no target")
	}
	p := parser{all: state.Fault{Target: state.EdgeName(words[0])}}
	for _, w := range words[1:] {
		if err := p.word(w); err != nil {
			return nil, err
		}
	}
	return p.faults()
}

type parser struct {
	all   state.Fault // what the options say
	kinds []state.Fault
	given map[string]bool
}

func (p *parser) word(w string) error {
	key, value, valued := strings.Cut(w, "=")
	first, _, _ := strings.Cut(key, ",")
	switch {
	case Find(first) != nil:
		return p.kind(w)
	case option(key):
		if p.given[key] {
			return wrong("", "read %q: %s= is there twice", w, key)
		}
		if p.given == nil {
			p.given = map[string]bool{}
		}
		p.given[key] = true
		if !valued || value == "" {
			return wrong("write "+sampleOption(key), "read %q: it has no value", w)
		}
		text, err := unquote(value)
		if err != nil {
			return wrong("", "read %q: %v", w, err)
		}
		return p.option(key, text)
	}
	if n := len(p.kinds); n > 0 {
		last := &p.kinds[n-1]
		if k := Find(last.Kind); k.Param(first) != nil {
			return p.params(k, last, w)
		}
		known := append(Names(), Find(last.Kind).paramNames()...)
		return wrong(Meant(first, append(known, optionNames()...), kindsHint), "read %q: no such fault", w)
	}
	return wrong(Meant(first, append(Names(), optionNames()...), kindsHint), "read %q: no such fault", w)
}

// kind begins a fault: "latency=300ms,jitter=50ms".
func (p *parser) kind(w string) error {
	parts, err := divide(w)
	if err != nil {
		return wrong(`put a value with such characters in double quotes`, "read %q: %v", w, err)
	}
	name, value, valued := strings.Cut(parts[0], "=")
	k := Find(name)
	f := state.Fault{Kind: name}
	if valued {
		main := k.main()
		if main == nil {
			return wrong("write "+name, "read %q: %s takes no value", w, name)
		}
		if err := set(k, &f, main.Name, value); err != nil {
			return err
		}
	}
	p.kinds = append(p.kinds, f)
	if len(parts) > 1 {
		return p.params(k, &p.kinds[len(p.kinds)-1], strings.TrimPrefix(w[len(parts[0]):], ","))
	}
	return nil
}

// params reads "jitter=50ms,distribution=normal".
func (p *parser) params(k *Kind, f *state.Fault, w string) error {
	parts, err := divide(w)
	if err != nil {
		return wrong(`put a value with such characters in double quotes`, "read %q: %v", w, err)
	}
	for _, part := range parts {
		if part == "" {
			return wrong(k.behindComma(), "read %s: a parameter is missing behind the comma", k.Name)
		}
		key, value, valued := strings.Cut(part, "=")
		if q := k.Param(key); q != nil && !valued {
			if q.Type != Flag {
				return wrong("write "+key+"="+q.example(), "read %q: %s has no value", w, key)
			}
			value = "true"
		}
		if err := set(k, f, key, value); err != nil {
			return err
		}
	}
	return nil
}

// set gives a parameter its value.
func set(k *Kind, f *state.Fault, key, value string) error {
	text, err := unquote(value)
	if err != nil {
		return wrong("", "read %s: %s=%s: %v", k.Name, key, value, err)
	}
	if _, twice := f.Params[key]; twice {
		return wrong("", "read %s: %s= is there twice", k.Name, key)
	}
	if f.Params == nil {
		f.Params = map[string]string{}
	}
	f.Params[key] = text
	return k.checkParam(key, text)
}

// option sets what is said about every kind.
func (p *parser) option(key, value string) error {
	var err error
	f := &p.all
	switch key {
	case "toxicity":
		if f.Toxicity, err = readShare(value); err != nil || f.Toxicity == 0 {
			return wrong("write toxicity=0.5", "read toxicity=%s: not a share above 0 and up to 1", value)
		}
	case "stream":
		f.Stream = value
	case "seed":
		if f.Seed, err = strconv.ParseUint(value, 10, 64); err != nil || f.Seed == 0 {
			return wrong("write seed=7", "read seed=%s: not a whole number above 0", value)
		}
	case "for":
		if f.For, err = time.ParseDuration(value); err != nil || f.For <= 0 {
			return wrong("write for=30s", "read for=%s: not a duration", value)
		}
	case "lease":
		f.Lease = value
	case "name":
		f.ID = value
	default:
		return p.match(strings.TrimPrefix(strings.TrimPrefix(key, "match"), "."), value)
	}
	return nil
}

func (p *parser) match(key, value string) error {
	if key == "" {
		key = "operation"
		if strings.HasPrefix(value, "/") {
			key = "path"
		}
	}
	if _, twice := p.all.Match[key]; twice {
		return wrong("", "read match: %s is there twice", key)
	}
	if p.all.Match == nil {
		p.all.Match = map[string]string{}
	}
	p.all.Match[key] = value
	return nil
}

// faults puts the options into each kind, and checks the whole.
func (p *parser) faults() ([]state.Fault, error) {
	if len(p.kinds) == 0 {
		return nil, wrong("write latency=300ms or refuse; "+kindsHint, "read fault: no kind")
	}
	if p.all.ID != "" && len(p.kinds) > 1 {
		return nil, wrong("put them one by one", "read name=%s: it is for one fault, and there are %d", p.all.ID, len(p.kinds))
	}
	for i := range p.kinds {
		f := p.all
		f.Kind, f.Params = p.kinds[i].Kind, p.kinds[i].Params
		p.kinds[i] = f
		if err := Check(f); err != nil {
			return nil, err
		}
	}
	return p.kinds, nil
}

func option(key string) bool {
	if strings.HasPrefix(key, "match.") {
		return true
	}
	for _, o := range Options {
		if o.Name == key {
			return true
		}
	}
	return false
}

// sampleOption is how an option is written that was given no value.
func sampleOption(key string) string {
	samples := map[string]string{
		"match":           "match=/orders/{id}, a path, match=Reserve, a method of gRPC, or match=SELECT, a statement",
		"match.path":      "match.path=/orders/{id}",
		"match.method":    "match.method=POST",
		"match.header":    "match.header=X-User:7",
		"match.operation": "match.operation=Reserve, a method of gRPC, or match.operation=SELECT, a statement",
		"toxicity":        "toxicity=0.5", "stream": "stream=up (caller to callee) or stream=down",
		"seed": "seed=7", "for": "for=30s", "lease": "lease=run", "name": "name=slow",
	}
	if sample := samples[key]; sample != "" {
		return sample
	}
	if name, of := strings.CutPrefix(key, "match."); of && matchHints[name] != "" {
		return strings.TrimPrefix(matchHints[name], "write ")
	}
	return key + "=…"
}

func optionNames() []string {
	var out []string
	for _, o := range Options {
		out = append(out, o.Name)
	}
	return out
}
