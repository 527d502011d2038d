package chaos

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"msctl.dev/msctl/internal/proxy"
)

var abort = Kind{
	Name:      "abort",
	Doc:       "a request is answered with a status at once; the callee never sees it",
	Layer:     HTTP,
	Match:     byRequest,
	Protocols: overHTTP,
	Params: []Param{
		{Name: "status", Doc: "of HTTP, from 200 to 599", Type: Count, Default: "503"},
		{Name: "body", Doc: "what the answer says; text that begins like JSON is called so", Type: Text},
		{Name: "retry-after", Doc: "when the caller is told to come again", Type: Duration},
		{Name: "header", Doc: "one more header, as Name: value", Type: Text},
	},
	Example: "orders:payments abort=503,retry-after=2s match=/charge match.first=3",
	New:     newAbort,
}

func newAbort(a Args) (proxy.Fault, error) {
	status := a.Count("status")
	if status < 200 || status > 599 {
		return nil, wrong("write abort=503", "read abort: status=%d is none of an answer", status)
	}
	reply := proxy.Reply{Status: status, Body: a.Text("body")}
	if a.Given("retry-after") {
		reply.Header = append(reply.Header, retryAfter(a.Duration("retry-after")))
	}
	if a.Given("header") {
		h, err := headerLine(a.Text("header"))
		if err != nil {
			return nil, err
		}
		reply.Header = append(reply.Header, h)
	}
	return onRequests(a, fmt.Sprintf("abort %d", status), proxy.Action{Reply: &reply})
}

// retryAfter is the header of that name, in whole seconds.
func retryAfter(d time.Duration) proxy.Header {
	return proxy.Header{Name: "Retry-After", Value: strconv.Itoa(int((d + time.Second - 1) / time.Second))}
}

// framing are the headers that say where a message ends or what becomes of its connection: they are not for faults.
var framing = map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Keep-Alive": true,
	"Proxy-Connection": true, "Upgrade": true, "Te": true, "Trailer": true, "Expect": true}

// headerLine reads "Name: value".
func headerLine(line string) (proxy.Header, error) {
	name, value, ok := strings.Cut(line, ":")
	h := proxy.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}
	if !ok || !httpguts.ValidHeaderFieldValue(h.Value) {
		return h, wrong(`write header="X-User: 7"`, "read header=%s: not a header line", line)
	}
	return h, headerName(h.Name)
}

// headerName says what is wrong with the name of a header that a fault is to change.
func headerName(name string) error {
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return wrong("", "read header %q: not a name", name)
	case framing[http.CanonicalHeaderKey(name)]:
		return wrong("", "read header %s: it says where a message ends or what becomes of its connection", name)
	}
	return nil
}
