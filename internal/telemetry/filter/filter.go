// Package filter is the one language in which traces, spans, logs and metrics are asked for:
//
//	service=orders status=error duration>200ms name~"GET /api/.*" user.id=u-42 -cache.hit=true (route=/a OR route=/b)
//
// Words beside each other must all hold; OR, parentheses and a leading - work as expected.
package filter

import "regexp"

// Op is what a node of a filter asks.
type Op string

// The operations.
const (
	And          Op = "and" // all of Kids
	Or           Op = "or"  // one of Kids
	Not          Op = "not" // not Kids[0]
	Equal        Op = "="
	NotEqual     Op = "!=" // also where the key is absent
	Greater      Op = ">"
	GreaterEqual Op = ">="
	Less         Op = "<"
	LessEqual    Op = "<="
	Match        Op = "~"
	NotMatch     Op = "!~"
	Contains     Op = ":"    // case-insensitive
	Present      Op = "=*"   // the key is there
	Text         Op = "text" // a bare word: anywhere in the record, case-insensitive
)

// Node is one node of a parsed filter. It is immutable. A nil node matches everything.
type Node struct {
	Op      Op
	Key     string
	Value   string
	Number  float64 // of Value: durations in ns, sizes in bytes
	Numeric bool    // Number is set
	Regexp  *regexp.Regexp
	Kids    []*Node
	Column  int // where it starts in the text, from 1

	fold string // Value in lower case
}
