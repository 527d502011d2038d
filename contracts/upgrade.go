package contracts

import (
	"net/url"
	"strings"
)

// upgrade turns the interactions of V1, V2 and V3 into those of V4, in place.
func (f *file) upgrade() {
	for _, i := range f.Interactions {
		upgradeStates(i)
		i["type"] = string(HTTP)
		for _, part := range []string{"request", "response"} {
			if p, ok := i[part].(map[string]any); ok {
				upgradeRules(p)
				upgradeBody(p, "body")
				upgradeHTTP(p)
			}
		}
	}
	for _, m := range f.Messages {
		upgradeStates(m)
		m["type"] = string(Message)
		rename(m, "metaData", "metadata")
		upgradeRules(m)
		upgradeBody(m, "contents")
	}
	f.Interactions, f.Messages = append(f.Interactions, f.Messages...), nil
}

func rename(m map[string]any, from, to string) {
	if v, ok := m[from]; ok {
		m[to] = v
		delete(m, from)
	}
}

// upgradeStates turns the one state of V2 into a list.
func upgradeStates(i map[string]any) {
	for _, key := range []string{"providerState", "provider_state"} {
		if name, ok := i[key].(string); ok && name != "" {
			i["providerStates"] = []any{map[string]any{"name": name}}
		}
		delete(i, key)
	}
}

// upgradeHTTP gives each header and parameter a list, and writes the method in capitals.
func upgradeHTTP(part map[string]any) {
	if headers, ok := part["headers"].(map[string]any); ok {
		for name, v := range headers {
			if _, list := v.([]any); !list {
				headers[name] = []any{v}
			}
		}
	}
	if method, ok := part["method"].(string); ok {
		part["method"] = strings.ToUpper(method)
	}
	if text, ok := part["query"].(string); ok {
		delete(part, "query")
		query := map[string]any{}
		values, _ := url.ParseQuery(text)
		for name, list := range values {
			for _, v := range list {
				had, _ := query[name].([]any)
				query[name] = append(had, v)
			}
		}
		if len(query) > 0 {
			part["query"] = query
		}
	}
}

// upgradeBody wraps a bare body with its type.
func upgradeBody(part map[string]any, key string) {
	body, there := part[key]
	if !there || body == nil {
		delete(part, key)
		return
	}
	kind := contentType(part)
	if _, text := body.(string); kind == "" {
		kind = "application/json"
		if text {
			kind = "text/plain"
		}
	}
	part[key] = map[string]any{"content": body, "contentType": kind, "encoded": false}
}

// contentType returns what headers or metadata say of the body.
func contentType(part map[string]any) string {
	for _, place := range []string{"headers", "metadata"} {
		values, _ := part[place].(map[string]any)
		for name, v := range values {
			if list, ok := v.([]any); ok && len(list) > 0 {
				v = list[0]
			}
			text, ok := v.(string)
			if n := strings.ToLower(name); ok && (n == "content-type" || n == "contenttype") {
				return text
			}
		}
	}
	return ""
}

// upgradeRules turns V2's flat paths ("$.body.sku") into V3's rules by category.
func upgradeRules(part map[string]any) {
	rules, _ := part["matchingRules"].(map[string]any)
	out := map[string]any{}
	for path, rule := range rules {
		if !strings.HasPrefix(path, "$") {
			return // V3 already
		}
		category, rest := splitRule(path)
		list := map[string]any{"combine": "AND", "matchers": []any{named(rule)}}
		if category == "path" {
			out[category] = list
			continue
		}
		of, _ := out[category].(map[string]any)
		if of == nil {
			of = map[string]any{}
			out[category] = of
		}
		of[rest] = list
	}
	if len(out) > 0 {
		part["matchingRules"] = out
	}
}

// splitRule returns the category of a V2 path, and the name or path within.
func splitRule(path string) (category, rest string) {
	path = strings.TrimPrefix(path, "$")
	path = strings.TrimPrefix(path, ".")
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	category, rest = path[:end], path[end:]
	switch category {
	case "headers", "header":
		return "header", bare(rest)
	case "query":
		return "query", bare(rest)
	case "path":
		return "path", ""
	}
	return "body", "$" + rest
}

// bare returns the name in ".name" or "['name']", without an index behind it.
func bare(rest string) string {
	rest = strings.TrimPrefix(rest, ".")
	if inner, ok := strings.CutPrefix(rest, "['"); ok {
		name, _, _ := strings.Cut(inner, "']")
		return name
	}
	name, _, _ := strings.Cut(rest, "[")
	return name
}

// named gives a V2 matcher the "match" that it may leave out.
func named(rule any) any {
	r, ok := rule.(map[string]any)
	if !ok {
		return rule
	}
	if _, said := r["match"]; said {
		return r
	}
	if _, re := r["regex"]; re {
		r["match"] = "regex"
	} else {
		r["match"] = "type"
	}
	return r
}
