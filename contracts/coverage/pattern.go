package coverage

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/route"
)

// pattern is a path in parts; a part that stands for many is open.
type pattern []part

type part struct {
	text string
	open bool
}

// String returns "/users/{id}".
func (p pattern) String() string {
	var b strings.Builder
	for i, one := range p {
		if i > 0 {
			b.WriteByte('/')
		}
		if one.open {
			b.WriteString("{}")
		} else {
			b.WriteString(one.text)
		}
	}
	return b.String()
}

// fits compares two paths. It returns how many parts are the same, for of two that fit the closer one counts.
func (p pattern) fits(q pattern) (same int, ok bool) {
	if len(p) != len(q) {
		return 0, false
	}
	for i := range p {
		switch {
		case p[i].open && q[i].open, !p[i].open && !q[i].open && p[i].text == q[i].text:
			same++
		case !p[i].open && !q[i].open:
			return 0, false
		}
	}
	return same, true
}

// concrete is a path as it was asked for. What traces have folded already is open.
func concrete(kind contracts.Kind, path string) pattern {
	if kind != contracts.HTTP {
		return pattern{{text: strings.TrimPrefix(path, "/")}}
	}
	var p pattern
	for seg := range strings.SplitSeq(path, "/") {
		if plain, err := url.PathUnescape(seg); err == nil {
			seg = plain
		}
		p = append(p, part{seg, strings.HasPrefix(seg, "{") && strings.HasSuffix(seg, "}")})
	}
	return p
}

// operationsOf returns what a pact is about: its interactions, those about one thing together.
func operationsOf(p contracts.Pact, routes *route.Table) []Operation {
	var out []Operation
	for _, i := range p.Interactions {
		o := operationOf(i, p.Provider, routes)
		at := -1
		for n := range out {
			if out[n].Kind == o.Kind && out[n].Name == o.Name {
				at = n
			}
		}
		if at < 0 {
			out, at = append(out, o), len(out)
		}
		out[at].Pacts++
	}
	return out
}

func operationOf(i contracts.Interaction, provider string, routes *route.Table) Operation {
	o := Operation{Kind: i.Kind}
	switch i.Kind {
	case contracts.HTTP:
		o.method, o.path = strings.ToUpper(i.Request.Method), pathOf(i)
		if path, known := routes.Fold(provider, o.method, i.Request.Path); known {
			o.path, o.routed = concrete(contracts.HTTP, path), true
		}
		o.Name = o.method + " " + o.path.String()
		return o
	case contracts.Call:
		o.Name = methodOf(i)
	default:
		o.Name = keyOf(i)
	}
	o.path = pattern{{text: o.Name}}
	return o
}

// methodOf returns the method of a call, by its metadata or the beginning of its description.
func methodOf(i contracts.Interaction) string {
	if text, ok := i.Content.Metadata["grpc-method"].(string); ok && text != "" {
		return strings.TrimPrefix(text, "/")
	}
	name, _, _ := strings.Cut(i.Description, ":")
	return strings.TrimPrefix(name, "/")
}

// keyOf returns the key of a message, by its metadata or its description.
func keyOf(i contracts.Interaction) string {
	for _, name := range []string{"routing_key", "routingKey", "key"} {
		if text, ok := i.Content.Metadata[name].(string); ok && text != "" {
			return text
		}
	}
	return i.Description
}

// pathOf returns the path of a request. Open are the parts that are a parameter of the states, that look like an id,
// and those in which a regular expression allows something else.
func pathOf(i contracts.Interaction) pattern {
	values := map[string]bool{}
	for _, s := range i.States {
		for _, v := range s.Params {
			values[fmt.Sprint(v)] = true
		}
	}
	p := concrete(contracts.HTTP, i.Request.Path)
	rules := pathRules(i.Request.Rules)
	for n := range p {
		text := p[n].text
		p[n].open = p[n].open || text != "" && (values[text] || isID(text) || free(rules, i.Request.Path, n))
	}
	return p
}

// pathRules returns the regular expressions of a path.
func pathRules(raw json.RawMessage) []*regexp.Regexp {
	var rules struct {
		Path struct {
			Matchers []struct {
				Match, Regex string
			}
		}
	}
	if len(raw) == 0 || json.Unmarshal(raw, &rules) != nil {
		return nil
	}
	var out []*regexp.Regexp
	for _, m := range rules.Path.Matchers {
		if re, err := regexp.Compile("^(?:" + m.Regex + ")$"); err == nil && m.Match == "regex" { // the pact was checked to hold RE2
			out = append(out, re)
		}
	}
	return out
}

// probes are what is tried in the place of a part.
var probes = []string{"zq7", "7", "0b6cbd1e-32f5-4c5f-8f4e-7f5f3ad5f2a1", "ORD-00007"}

// free reports whether every rule of a path allows another text in one part.
func free(rules []*regexp.Regexp, path string, n int) bool {
	segs := strings.Split(path, "/")
	for _, other := range probes {
		segs[n] = other
		all := len(rules) > 0
		for _, re := range rules {
			all = all && re.MatchString(strings.Join(segs, "/"))
		}
		if all {
			return true
		}
	}
	return false
}

// idRule is a number, a UUID or a hash.
var idRule = regexp.MustCompile(`^([0-9]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{16,})$`)

func isID(text string) bool { return idRule.MatchString(text) }
