package filter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Match says whether a record is asked for. Get returns the value of a key: a string, bool, number,
// [time.Duration], [time.Time], [fmt.Stringer] or a list of these, of which one must match. Text returns
// all that a bare word is searched in; it is called only when there is one.
//
// A key that is absent matches != and !~ and no other operation.
func (n *Node) Match(get func(key string) (any, bool), text func() string) bool {
	if n == nil {
		return true
	}
	switch n.Op {
	case And:
		for _, k := range n.Kids {
			if !k.Match(get, text) {
				return false
			}
		}
		return true
	case Or:
		for _, k := range n.Kids {
			if k.Match(get, text) {
				return true
			}
		}
		return false
	case Not:
		return !n.Kids[0].Match(get, text)
	case Text:
		return strings.Contains(strings.ToLower(text()), n.folded())
	}
	v, there := get(n.Key)
	return n.MatchValue(v, there)
}

// MatchValue answers a comparison for one value of its key. It is false for And, Or, Not and Text.
func (n *Node) MatchValue(v any, there bool) bool {
	switch n.Op {
	case Present:
		return there
	case NotEqual:
		return !there || !n.some(v, n.equal)
	case NotMatch:
		return !there || !n.some(v, n.matches)
	}
	if !there {
		return false
	}
	switch n.Op {
	case Equal:
		return n.some(v, n.equal)
	case Match:
		return n.some(v, n.matches)
	case Contains:
		return n.some(v, n.contains)
	case Greater, GreaterEqual, Less, LessEqual:
		return n.some(v, n.ordered)
	}
	return false
}

// some asks for one value, or for one of a list.
func (n *Node) some(v any, ask func(any) bool) bool {
	list, ok := v.([]any)
	if !ok {
		return ask(v)
	}
	for _, e := range list {
		if ask(e) {
			return true
		}
	}
	return false
}

func (n *Node) equal(v any) bool {
	if s, ok := v.(string); ok {
		return s == n.Value || len(s) == len(n.Value) && names(n.Key) != nil && strings.EqualFold(s, n.Value)
	}
	if x, ok := toNumber(v); ok && n.Numeric {
		return n.level(x) == n.Number
	}
	s := toText(v)
	return s == n.Value || names(n.Key) != nil && strings.EqualFold(s, n.Value)
}

func (n *Node) matches(v any) bool { return n.Regexp != nil && n.Regexp.MatchString(toText(v)) }

func (n *Node) contains(v any) bool {
	return strings.Contains(strings.ToLower(toText(v)), n.folded())
}

func (n *Node) folded() string {
	if n.fold == "" {
		return strings.ToLower(n.Value)
	}
	return n.fold
}

// ordered compares numbers where both are, else text.
func (n *Node) ordered(v any) bool {
	var c int
	if n.Numeric {
		x, ok := toNumber(v)
		if !ok {
			x, ok = n.readNumber(toText(v))
		}
		if !ok || x != x {
			return false
		}
		c = cmp.Compare(n.level(x), n.Number)
	} else {
		c = strings.Compare(toText(v), n.Value)
	}
	switch n.Op {
	case Greater:
		return c > 0
	case GreaterEqual:
		return c >= 0
	case Less:
		return c < 0
	}
	return c <= 0
}

// readNumber reads a number that was sent as text.
func (n *Node) readNumber(s string) (float64, bool) {
	if leveled(n.Key) {
		if v, ok := rank(s); ok {
			return v, true
		}
	}
	v, _, ok := number(s)
	return v, ok
}

// level brings a severity down to the first number of its range.
func (n *Node) level(x float64) float64 {
	if !leveled(n.Key) || x < 1 || x > 24 {
		return x
	}
	return float64((int(x)-1)/4*4 + 1)
}

func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case string, nil, bool:
		return 0, false
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case time.Duration:
		return float64(v), true
	case int:
		return float64(v), true
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), true
	}
	return 0, false
}

func toText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []byte:
		return string(v)
	case fmt.Stringer:
		return v.String()
	case nil:
		return ""
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice || r.Kind() == reflect.Map {
		b, _ := json.Marshal(v)
		return string(b)
	}
	return fmt.Sprint(v)
}
