package chaos

import "msctl.dev/msctl/internal/proxy"

var omit = Kind{
	Name:      "omit",
	Doc:       "the callee does what it is asked, and its answer is lost: the caller sees a reset, over gRPC UNAVAILABLE",
	Layer:     HTTP,
	Match:     byRequest,
	Protocols: overHTTP,
	Example:   "orders:payments omit match=/charge match.k=1",
	New: func(a Args) (proxy.Fault, error) {
		return onRequests(a, "omit the answer", proxy.Action{Omit: true})
	},
}
