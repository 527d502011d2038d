package chaos

import (
	"bytes"
	"strings"

	"msctl.dev/msctl/internal/proxy"
)

var malformed = Kind{
	Name:      "malformed",
	Doc:       "JSON in the body of an answer of HTTP does not end as it should, or with stream=up of a request; its length is right",
	Layer:     HTTP,
	Stream:    "down",
	Match:     byRequest,
	Protocols: overHTTP,
	Example:   "orders:payments malformed match=/charge",
	New: func(a Args) (proxy.Fault, error) {
		return onRequests(a, "malformed", patch(a, proxy.Patch{Body: spoil}))
	},
}

// spoil puts a comma in place of the last character of JSON: whatever it was, it is none now.
func spoil(content string, b []byte) []byte {
	b = bytes.TrimRight(b, " \t\r\n")
	if !strings.Contains(content, "json") || len(b) == 0 {
		return b
	}
	return append(bytes.Clone(b[:len(b)-1]), ',')
}
