package chaos

import "msctl.dev/msctl/internal/proxy"

var duplicate = Kind{
	Name:      "duplicate",
	Doc:       "the callee gets a request twice, one after the other, and the caller the second answer; up to 1 MiB, calls of gRPC too whose caller says all before it listens",
	Layer:     HTTP,
	Match:     byRequest,
	Protocols: overHTTP,
	Example:   "gateway:orders duplicate match=/v1/orders match.method=POST",
	New: func(a Args) (proxy.Fault, error) {
		return onRequests(a, "duplicate", proxy.Action{Twice: true})
	},
}
