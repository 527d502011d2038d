package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"

	"gopkg.in/yaml.v3"

	"msctl.dev/msctl/chaos"
	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/chaos/explore"
	"msctl.dev/msctl/internal/stack"
)

// plot is an invariants file and a request: what each run of a search is made of.
type plot struct {
	file string // as messages call it
	doc  *yaml.Node
	call *yaml.Node // the workload
}

// readPlot reads an invariants file, which is an experiment without faults, and finds the request in it:
// "POST /v1/orders {json}" is the workload of that method and path, with that body where one is given, or
// a new one of the service entry. "" is the only workload of the file.
func readPlot(path, file, request, entry string) (*plot, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("write one as chaos/invariants.yaml", "read invariants: %w", err)
	}
	if _, err := experiment.Parse(file, data); err != nil {
		return nil, err
	}
	doc, mistake := stack.ParseYAML(file, data)
	if mistake != nil {
		return nil, stack.Errors{mistake}
	}
	p := &plot{file: file, doc: doc.Content[0]}
	all := valueAt(p.doc, "workload")
	if all != nil && all.Kind == yaml.MappingNode {
		all = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{all}}
	}
	if p.call, err = requestIn(all, request, entry); err != nil {
		return nil, err
	}
	return p, nil
}

// requestIn returns the workload that a request means.
func requestIn(all *yaml.Node, request, entry string) (*yaml.Node, error) {
	var calls []*yaml.Node
	if all != nil {
		for _, n := range all.Content {
			if valueAt(n, "http") != nil {
				calls = append(calls, n)
			}
		}
	}
	if request == "" {
		if len(calls) != 1 {
			return nil, usage("write --workload 'POST /v1/orders {…}'", "find the request: the invariants have %s", count(len(calls), "workload"))
		}
		return calls[0], nil
	}
	method, rest, _ := strings.Cut(request, " ")
	target, body, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if target == "" || strings.ToUpper(method) != method {
		return nil, usage("write --workload 'POST /v1/orders {…}'", "read --workload: %q is no request", request)
	}
	var call *yaml.Node
	for _, n := range calls {
		m, t, _ := strings.Cut(valueAt(n, "http").Value, " ")
		if m == method && (t == target || strings.HasPrefix(target, "/") && strings.HasSuffix(t, target)) {
			call = n
		}
	}
	if call == nil {
		if strings.HasPrefix(target, "/") {
			if target = entry + target; entry == "" {
				return nil, usage("write --workload 'POST gateway/v1/orders'", "read --workload: %q does not say whose", request)
			}
		}
		call = &yaml.Node{Kind: yaml.MappingNode}
		setAt(call, "http", text(method+" "+target))
	}
	if body = strings.TrimSpace(body); body != "" {
		if !json.Valid([]byte(body)) {
			return nil, usage("", "read --workload: its body is not JSON")
		}
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(body), &n); err != nil {
			return nil, usage("", "read --workload: %w", err)
		}
		setAt(call, "json", n.Content[0])
	}
	return call, nil
}

// replayFor is how long the faults of a replay act: longer than what follows the answer takes.
const replayFor = "5s"

// write composes the experiment that replays a set, or the search itself where there is none.
func (p *plot) write(title, description, trace string, set explore.Set) []byte {
	doc, call := copyOf(p.doc), copyOf(p.call)
	header := valueAt(call, "header")
	if header == nil {
		header = &yaml.Node{Kind: yaml.MappingNode}
		setAt(call, "header", header)
	}
	setAt(header, "Traceparent", text("00-"+trace+"-00f067aa0ba902b7-01"))
	setAt(call, "name", text("request"))
	setAt(call, "at", text("300ms"))
	setAt(call, "rate", &yaml.Node{Kind: yaml.ScalarNode, Value: "1"})
	setAt(call, "for", text("1s"))
	setAt(doc, "title", text(title))
	if description != "" {
		setAt(doc, "description", text(description))
	}
	setAt(doc, "workload", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{call}})
	if len(set) > 0 {
		faults := &yaml.Node{Kind: yaml.SequenceNode}
		for _, f := range set {
			n := &yaml.Node{Kind: yaml.MappingNode}
			setAt(n, "name", text(brief(explore.Set{f})))
			setAt(n, "for", text(replayFor))
			setAt(n, "fault", text(chaos.Words(f.State(trace))))
			faults.Content = append(faults.Content, n)
		}
		setAt(doc, "faults", faults)
		setAt(doc, "after", append1(valueAt(doc, "after"), `{name: the answer, workload: request, measure: ok, want: 100%}`))
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	_ = enc.Encode(doc) // into memory
	return b.Bytes()
}

// append1 is a list with one more entry, written as YAML.
func append1(list *yaml.Node, entry string) *yaml.Node {
	var n yaml.Node
	_ = yaml.Unmarshal([]byte(entry), &n) // written above
	out := &yaml.Node{Kind: yaml.SequenceNode}
	if list != nil {
		out.Content = append(out.Content, list.Content...)
	}
	out.Content = append(out.Content, n.Content[0])
	return out
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// valueAt returns the value of a key, or nil.
func valueAt(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// setAt gives a key its value.
func setAt(n *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = value
			return
		}
	}
	n.Content = append(n.Content, text(key), value)
}

func copyOf(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = nil
	for _, c := range n.Content {
		out.Content = append(out.Content, copyOf(c))
	}
	return &out
}

// entryOf is the service that is called from outside: the first of the stack that says so.
func entryOf(st *stack.Stack) string {
	for _, s := range st.Services {
		for _, l := range s.Listen {
			if s.Ingress(l) {
				return s.Name
			}
		}
	}
	return ""
}
