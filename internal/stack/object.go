package stack

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// schema is a part of a JSON schema.
type schema map[string]any

// field is one key of a mapping: its name, what it means and its default, and how it is read into a T.
type field[T any] struct {
	key    string
	doc    string // states the default
	schema schema
	read   func(c *collector, n *node, into *T)
}

// key makes the row of a table of keys.
func key[T, V any](name, doc string, v value[V], set func(*T, V)) field[T] {
	return field[T]{name, doc, v.schema, func(c *collector, n *node, into *T) {
		if got, ok := v.read(c, n); ok {
			set(into, got)
		}
	}}
}

// object is a mapping with known keys. A key with nothing behind it is the same as no key.
func object[T any](fields []field[T], required ...string) value[T] {
	return objectFrom(func(Pos) T { var zero T; return zero }, fields, required...)
}

// objectFrom is an object whose fields are read over what begin returns.
func objectFrom[T any](begin func(Pos) T, fields []field[T], required ...string) value[T] {
	index := map[string]field[T]{}
	var names []string
	for _, f := range fields {
		index[f.key] = f
		names = append(names, f.key)
	}
	return value[T]{objectSchema(fields, required), func(c *collector, n *node) (T, bool) {
		out := begin(n.pos)
		if n.kind != yaml.MappingNode {
			wrong(c, n, "a mapping with keys such as "+strings.Join(names[:min(3, len(names))], ", "))
			return out, false
		}
		before := len(c.errs) + c.more
		for i, k := range n.keys {
			f, known := index[k.text]
			if !known {
				unknownKey(c, k, names)
			} else if !n.values[i].empty() {
				f.read(c, n.values[i], &out)
			}
		}
		c.breaks(n.pos, before)
		for _, r := range required {
			if !slices.ContainsFunc(n.keys, func(k *node) bool { return k.text == r }) {
				c.fail(n.pos, "", "key %q is missing", r)
			}
		}
		return out, true
	}}
}

func unknownKey(c *collector, k *node, names []string) {
	if c.full() {
		c.more++
		return
	}
	hint := suggest(k.text, names)
	if hint == "" {
		hint = "known here: " + strings.Join(names, ", ")
	}
	c.fail(k.pos, hint, "unknown key %s", shorten(k.text))
}

func objectSchema[T any](fields []field[T], required []string) schema {
	props := schema{}
	for _, f := range fields {
		p := schema{"description": f.doc}
		for k, v := range f.schema {
			p[k] = v
		}
		props[f.key] = p
	}
	out := schema{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// entry is one row of a mapping whose keys the user chooses.
type entry[V any] struct {
	spot
	Value V
}

// nameRule is what names of services, resources, profiles, tasks and listeners look like: they become
// folders, host names and parts of variables.
var nameRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

const nameHint = "use 1 to 63 small letters, digits and dashes, beginning and ending with a letter or digit"

// mapOf is a mapping from names that rule allows to values. It keeps the order of the file.
func mapOf[V any](rule *regexp.Regexp, hint string, v value[V]) value[[]entry[V]] {
	sch := schema{"type": "object", "propertyNames": schema{"pattern": rule.String()}, "additionalProperties": v.schema}
	return value[[]entry[V]]{sch, func(c *collector, n *node) ([]entry[V], bool) {
		if n.kind != yaml.MappingNode {
			wrong(c, n, "a mapping of names to values")
			return nil, false
		}
		var out []entry[V]
		for i, k := range n.keys {
			if !rule.MatchString(k.text) {
				c.fail(k.pos, hint, "%s is not a good name", shorten(k.text))
				continue
			}
			if got, ok := v.read(c, n.values[i]); ok {
				out = append(out, entry[V]{spot{k.text, k.pos}, got})
			}
		}
		return out, true
	}}
}

func named[V any](v value[V]) value[[]entry[V]] { return mapOf(nameRule, nameHint, v) }
