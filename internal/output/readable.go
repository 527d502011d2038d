package output

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Keys of structured logs under which the common libraries put the time, the level and the message.
var (
	timeKeys    = []string{"time", "timestamp", "ts", "@timestamp"}
	levelKeys   = []string{"level", "severity", "lvl"}
	messageKeys = []string{"msg", "message"}
)

// Readable turns one line of JSON logs into "LEVEL message key=value …", the time left out, and reports
// whether text was such a line. Keys keep the order of the alphabet; nested values stay JSON. The answer is
// not clean: pass it to [Clean].
func Readable(text []byte) (string, bool) {
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return "", false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return "", false
	}
	msg, ok := take(fields, messageKeys)
	if !ok {
		return "", false
	}
	take(fields, timeKeys)
	level, _ := take(fields, levelKeys)
	var b strings.Builder
	if level != "" {
		fmt.Fprintf(&b, "%-5s ", strings.ToUpper(level))
	}
	b.WriteString(msg)
	for _, k := range sortedKeys(fields) {
		fmt.Fprintf(&b, " %s=%s", k, plainValue(fields[k]))
	}
	return b.String(), true
}

// take removes the first of the keys that is there and returns its value.
func take(fields map[string]json.RawMessage, keys []string) (string, bool) {
	for _, k := range keys {
		if v, ok := fields[k]; ok {
			delete(fields, k)
			return unquoted(v), true
		}
	}
	return "", false
}

func unquoted(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// plainValue leaves the quotes away where none are needed to see the end of the value.
func plainValue(v json.RawMessage) string {
	if s := unquoted(v); s != "" && !strings.ContainsAny(s, " \t\n\"=") {
		return s
	}
	return string(v)
}

func sortedKeys(fields map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
