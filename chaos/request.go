package chaos

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"msctl.dev/msctl/internal/proxy"
)

// byRequest is what requests can be told apart by.
var byRequest = []string{"path", "method", "header", "operation", "op", "trace", "k", "first", "every"}

// Protocols of edges that carry requests of HTTP.
var overHTTP = []string{"http", "grpc"}

// request is a fault that does something to requests that match.
type request struct {
	words string
	match *proxy.Matcher
	do    func(q *proxy.Request, n uint64) (proxy.Action, bool) // n is the number of the request among those that match
}

// String is what the fault is called where it acted.
func (r *request) String() string { return r.words }

// Ask says what becomes of a request.
func (r *request) Ask(q *proxy.Request) (proxy.Action, bool) {
	n, hit := r.match.Hit(q)
	if !hit {
		return proxy.Action{}, false
	}
	return r.do(q, n)
}

// onRequests makes a fault that does the same to each request that matches.
func onRequests(a Args, words string, do proxy.Action) (proxy.Fault, error) {
	return askEach(a, words, func(*proxy.Request, uint64) (proxy.Action, bool) { return do, true })
}

func askEach(a Args, words string, do func(*proxy.Request, uint64) (proxy.Action, bool)) (proxy.Fault, error) {
	m, err := matcher(a)
	if err != nil {
		return nil, err
	}
	return &request{words, m, do}, nil
}

// matcher reads which requests are meant.
func matcher(a Args) (*proxy.Matcher, error) {
	m := &proxy.Matcher{Edge: a.Target, Fault: a.ID, Seed: a.Seed}
	var err error
	for key, value := range a.Match {
		switch key {
		case "path":
			m.Path = value
		case "method":
			m.Method = value
		case "operation":
			m.Operation = value
		case "op":
			m.Name = value
		case "header":
			name, want, _ := strings.Cut(value, ":")
			m.Header = proxy.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(want)}
		case "trace":
			var b []byte
			if b, err = hex.DecodeString(value); err == nil && len(b) != len(m.Trace) {
				err = fmt.Errorf("%d digits", 2*len(b))
			}
			copy(m.Trace[:], b)
		case "k":
			m.Nth, err = ordinal(value)
		case "first":
			m.First, err = ordinal(value)
		case "every":
			m.Every, err = ordinal(value)
		}
		if err != nil {
			return nil, wrong(matchHints[key], "read match.%s=%s: %v", key, value, err)
		}
	}
	return m, nil
}

var matchHints = map[string]string{
	"trace": "write the 32 digits of a trace id",
	"k":     "write match.k=3 for the third request that matches",
	"first": "write match.first=3 for the first three requests that match",
	"every": "write match.every=2 for every other request that matches",
}

func ordinal(value string) (uint64, error) {
	n, err := strconv.ParseUint(value, 10, 63)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("not a whole number above 0")
	}
	return n, nil
}
