package chaos

import (
	"msctl.dev/msctl/internal/proxy"
)

var header = Kind{
	Name:      "header",
	Doc:       "a header of the answer is set or removed, or with stream=up one of the request",
	Layer:     HTTP,
	Stream:    "down",
	Match:     byRequest,
	Protocols: overHTTP,
	Params: []Param{
		{Name: "set", Doc: "a header, as Name: value, in place of those of that name", Type: Text},
		{Name: "remove", Doc: "the name of one", Type: Text},
	},
	Example: `gateway:users header=X-User:7 stream=up`,
	New: func(a Args) (proxy.Fault, error) {
		var p proxy.Patch
		words := "header"
		if a.Given("set") {
			h, err := headerLine(a.Text("set"))
			if err != nil {
				return nil, err
			}
			p.Set, words = []proxy.Header{h}, words+" "+h.Name
		}
		if a.Given("remove") {
			if err := headerName(a.Text("remove")); err != nil {
				return nil, err
			}
			p.Remove, words = []string{a.Text("remove")}, words+" -"+a.Text("remove")
		}
		if words == "header" {
			return nil, wrong("write header=X-User:7 or header,remove=X-User", "read header: nothing is set or removed")
		}
		return onRequests(a, words, patch(a, p))
	},
}

// patch changes the message of the stream that is meant.
func patch(a Args, p proxy.Patch) proxy.Action {
	if a.Stream == "up" {
		return proxy.Action{Request: p}
	}
	return proxy.Action{Answer: p}
}
