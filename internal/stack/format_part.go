package stack

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

func restartNode(r Restart) *yaml.Node {
	m := mapping()
	put(m, "policy", word(r.Policy))
	put(m, "limit", number(r.Limit))
	put(m, "delay", span(r.Delay))
	return full(m)
}

func stopNode(s Stop) *yaml.Node {
	m := mapping()
	put(m, "signal", word(s.Signal))
	put(m, "grace", span(s.Grace))
	return full(m)
}

func limitsNode(l Limits) *yaml.Node {
	m := mapping()
	if l.CPU > 0 {
		put(m, "cpu", &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatFloat(l.CPU, 'f', -1, 64)})
	}
	if l.Memory > 0 {
		put(m, "memory", word(memoryOf(l.Memory)))
	}
	return full(m)
}

// memoryOf writes bytes in the largest unit that divides them.
func memoryOf(bytes int64) string {
	for i, unit := range []string{"T", "G", "M", "K"} {
		if size := int64(1) << (40 - 10*i); bytes%size == 0 {
			return strconv.FormatInt(bytes/size, 10) + unit
		}
	}
	return strconv.FormatInt(bytes, 10)
}

func watchNode(v Watch) *yaml.Node {
	m := mapping()
	put(m, "paths", words(v.Paths))
	put(m, "ignore", words(v.Ignore))
	if v.Action != defaultAction {
		put(m, "action", word(v.Action))
	}
	return full(m)
}

func requires(rs []Requirement) *yaml.Node {
	m := mapping()
	for _, r := range rs {
		put(m, r.Tool, str(cmp.Or(r.Version, "*")))
	}
	return full(m)
}

func ports(ls []Listen) *yaml.Node {
	m := mapping()
	for _, l := range ls {
		text := portText(l.Port)
		switch {
		case l.Inside != 0:
			put(m, l.Name, word(text+":"+portText(l.Inside)))
		case l.Port != 0:
			put(m, l.Name, number(l.Port))
		default:
			put(m, l.Name, word(text))
		}
	}
	return full(m)
}

func calls(cs []Call) *yaml.Node {
	m := mapping()
	var done []string
	for _, c := range cs {
		if slices.Contains(done, c.To) {
			continue
		}
		done = append(done, c.To)
		var protocols []string
		for _, o := range cs {
			if o.To == c.To {
				protocols = append(protocols, o.Protocol)
			}
		}
		put(m, c.To, call(protocols, c))
	}
	return full(m)
}

// call is what stands behind the name of a callee.
func call(protocols []string, c Call) *yaml.Node {
	names := words(protocols)
	if len(protocols) == 1 {
		names = word(protocols[0])
	}
	if !c.Direct && !c.Optional {
		return names
	}
	m := mapping()
	put(m, "protocol", names)
	if c.Direct {
		put(m, "mesh", off())
	}
	put(m, "optional", yes(c.Optional))
	return m
}

// uses is a list, or a mapping where something is to be said of one.
func uses(s *Service) *yaml.Node {
	if len(s.Direct) == 0 {
		return words(s.Uses)
	}
	m := mapping()
	for _, u := range s.Uses {
		entry := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		if slices.Contains(s.Direct, u) {
			put(entry, "mesh", off())
		}
		put(m, u, entry)
	}
	return m
}

func weightsNode(shares []Share) *yaml.Node {
	m := mapping()
	for _, s := range shares {
		put(m, s.Service, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(s.Weight)})
	}
	return full(m)
}

func telemetryNode(t Telemetry) *yaml.Node {
	if t.Off {
		return off()
	}
	m := mapping()
	put(m, "otlp-http", number(t.HTTP))
	put(m, "otlp-grpc", number(t.GRPC))
	put(m, "forward", word(t.Forward))
	if t.Keep > 0 {
		put(m, "keep", word(memoryOf(t.Keep)))
	}
	put(m, "age", ageNode(t.Age))
	return full(m)
}

// ageNode writes whole days as such.
func ageNode(d time.Duration) *yaml.Node {
	if d > 0 && d%day == 0 {
		return word(strconv.FormatInt(int64(d/day), 10) + "d")
	}
	return span(d)
}

// off is the word of a switch. It must not be quoted, and no YAML 1.1 reader may take it for a text.
func off() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "off"} }

func portText(port int) string {
	if port <= 0 {
		return "auto"
	}
	return strconv.Itoa(port)
}

// span writes a duration without the zero parts of String: "1m" and not "1m0s".
func span(d time.Duration) *yaml.Node {
	if d == 0 {
		return nil
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return word(text)
}
