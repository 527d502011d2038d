package chaos

import (
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/proxy"
)

var grpcStatus = Kind{
	Name:      "grpc-status",
	Doc:       "a call of gRPC ends with a status at once, in an answer that is nothing but trailers",
	Layer:     GRPC,
	Match:     byRequest,
	Protocols: []string{"grpc"},
	Params: []Param{
		{Name: "code", Doc: "by its name", Type: Choice, Choices: grpcNames, Default: "UNAVAILABLE"},
		{Name: "message", Doc: "what the status says", Type: Text},
	},
	Example: "orders:inventory grpc-status=RESOURCE_EXHAUSTED match=Reserve",
	New: func(a Args) (proxy.Fault, error) {
		reply := proxy.Reply{Code: slices.Index(grpcNames, a.Text("code")), Text: a.Text("message")}
		return onRequests(a, strings.TrimSpace("grpc-status "+a.Text("code")), proxy.Action{Reply: &reply})
	},
}

// grpcNames are the codes of gRPC, by their numbers.
var grpcNames = []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL",
	"UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

var grpcReset = Kind{
	Name:      "grpc-reset",
	Doc:       "the stream of a call of gRPC is reset when so many messages of the callee were passed on",
	Layer:     GRPC,
	Match:     byRequest,
	Protocols: []string{"grpc"},
	Params:    []Param{{Name: "after", Doc: "messages; with 0 the callee is asked, and nothing of its answer comes", Type: Count, Default: "0"}},
	Example:   "push:orders grpc-reset=2 match=Watch",
	New: func(a Args) (proxy.Fault, error) {
		n := a.Count("after")
		return onRequests(a, fmt.Sprintf("grpc-reset after %d messages", n), proxy.Action{Cut: true, CutAfter: int64(n)})
	},
}
