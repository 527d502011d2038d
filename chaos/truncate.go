package chaos

import (
	"fmt"

	"msctl.dev/msctl/internal/proxy"
)

var truncate = Kind{
	Name:      "truncate",
	Doc:       "an answer of HTTP ends with a reset when so much of its body was sent; its head promises all",
	Layer:     HTTP,
	Match:     byRequest,
	Protocols: []string{"http"},
	Params:    []Param{{Name: "after", Doc: "bytes of the body; a shorter one is whole", Type: Size, Default: "0"}},
	Example:   "web:catalog truncate=100 match=/v1/products",
	New: func(a Args) (proxy.Fault, error) {
		return onRequests(a, fmt.Sprintf("truncate after %d bytes", a.Size("after")), proxy.Action{Cut: true, CutAfter: a.Size("after")})
	},
}
