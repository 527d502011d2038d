package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// place is where a parameter goes: {id}, {user.name}.
var place = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)\}`)

// params are the parameters of one interaction, by name.
type params map[string]any

// value finds a parameter by its path.
func (p params) value(path string) (any, error) {
	var v any = map[string]any(p)
	for _, word := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("there is no parameter {%s}", path)
		}
		if v, ok = m[word]; !ok {
			return nil, fmt.Errorf("there is no parameter {%s}", path)
		}
	}
	return v, nil
}

// replace puts what write makes of each parameter in its place.
func (p params) replace(text string, write func(any) string) (string, error) {
	var first error
	out := place.ReplaceAllStringFunc(text, func(found string) string {
		v, err := p.value(found[1 : len(found)-1])
		if err != nil {
			if first == nil {
				first = err
			}
			return found
		}
		return write(v)
	})
	return out, first
}

// text fills a text.
func (p params) text(s string) (string, error) { return p.replace(s, words) }

// path fills a path and a query; what is put in stays within its segment.
func (p params) path(s string) (string, error) {
	return p.replace(s, func(v any) string { return url.PathEscape(words(v)) })
}

// filled fills every text of a JSON value. A text that is one parameter becomes its value.
func (p params) filled(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if m := place.FindString(v); m == v && m != "" {
			return p.value(v[1 : len(v)-1])
		}
		return p.text(v)
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			var err error
			if out[i], err = p.filled(one); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, one := range v {
			key, err := p.text(name)
			if err != nil {
				return nil, err
			}
			if out[key], err = p.filled(one); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// words writes a value as text.
func words(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any, []any:
		out, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(out)
	}
	return fmt.Sprint(v)
}

// digest names data.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
