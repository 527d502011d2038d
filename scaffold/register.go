package scaffold

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// resources is how a new resource of a kind stands in stack.yaml; others stand as {type: kind}.
var resources = map[string]string{
	"postgres": "{type: postgres, embedded: sqlite}",
	"rabbitmq": "{type: rabbitmq, embedded: nats}",
}

// Register adds a service that was rendered, and the resources that it brings, to the text of stack.yaml.
func Register(text []byte, t *Template, v Values) ([]byte, error) {
	doc, err := stack.Edit(text)
	if err != nil {
		return nil, err
	}
	v.Params = t.withDefaults(v.Params)
	if v, err = t.withEvents(v); err != nil {
		return nil, err
	}
	for _, u := range v.Uses {
		if !u.New {
			continue
		}
		line := resources[u.Kind]
		if line == "" {
			line = "{type: " + u.Kind + "}"
		}
		if err := doc.AddResource(u.Name, line); err != nil {
			return nil, err
		}
	}
	published, err := t.published(v)
	if err != nil {
		return nil, err
	}
	v.Publishes = published
	if err := doc.AddService(v.Service, stack.ServiceText(entry(t, v))); err != nil {
		return nil, err
	}
	return doc.Bytes(), nil
}

// entry is what stands below the service's name.
func entry(t *Template, v Values) string {
	var b strings.Builder
	fmt.Fprintf(&b, "path: %s\n", v.Path)
	var ports []string
	for _, name := range t.Service.Listen {
		ports = append(ports, name+": auto")
	}
	if len(ports) == 0 {
		ports = []string{"http: auto"}
	}
	if t.Service.Public {
		ports[0] = strings.Replace(ports[0], "auto", `"auto:auto"`, 1)
	}
	fmt.Fprintf(&b, "listen: {%s}\n", strings.Join(ports, ", "))
	if len(v.Calls) > 0 {
		fmt.Fprintf(&b, "calls: %s\n", calls(v.Calls))
	}
	if len(v.Uses) > 0 {
		var names []string
		for _, u := range v.Uses {
			names = append(names, u.Name)
		}
		fmt.Fprintf(&b, "uses: [%s]\n", strings.Join(names, ", "))
	}
	writeEvents(&b, "publishes", v.Publishes)
	writeEvents(&b, "consumes", v.Consumes)
	writeMap(&b, "health", t.Service.Health)
	writeMap(&b, "requires", t.Service.Requires)
	if len(t.Service.Env) > 0 {
		b.WriteString("env:\n")
		for _, name := range slices.Sorted(maps.Keys(t.Service.Env)) {
			fmt.Fprintf(&b, "  %s: %s\n", name, stack.Quote(t.Service.Env[name]))
		}
	}
	return b.String()
}

// calls is a list where every call is the callee's usual one, else a mapping.
func calls(of []Call) string {
	var names, pairs []string
	for _, c := range of {
		names = append(names, c.Name)
		pairs = append(pairs, c.Name+": "+c.Protocol)
	}
	if !slices.ContainsFunc(of, func(c Call) bool { return c.Protocol != "http" }) {
		return "[" + strings.Join(names, ", ") + "]"
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

func writeEvents(b *strings.Builder, key string, events []Event) {
	var keys []string
	for _, e := range events {
		k := e.Key
		if strings.ContainsAny(k, "*#") {
			k = `"` + k + `"`
		}
		keys = append(keys, k)
	}
	if len(keys) > 0 {
		fmt.Fprintf(b, "%s: [%s]\n", key, strings.Join(keys, ", "))
	}
}

func writeMap(b *strings.Builder, key string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		value := values[k]
		if strings.ContainsAny(value, `<>=*&{}[],#:"`) {
			value = `"` + value + `"`
		}
		pairs = append(pairs, k+": "+value)
	}
	fmt.Fprintf(b, "%s: {%s}\n", key, strings.Join(pairs, ", "))
}
