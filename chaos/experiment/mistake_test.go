package experiment

import (
	"strings"
	"testing"
)

// TestNearest names what was meant where a key, a state or a request is nearly one, at its line.
func TestNearest(t *testing.T) {
	for text, want := range map[string]string{
		"after:\n  - name: a\n    htttp: GET shop/":                                 "a.yaml:4:5: this probe of after does not say what it looks at hint: did you mean http?",
		"after:\n  - {for: a, want: 1}":                                             "hint: a probe is one of http, grpc,",
		"after: [{http: GET shop/}]\nfaults:\n  - {at: 1s, restrat: shop}":          "a.yaml:4:14: this step of faults does not say what is done hint: did you mean restart?",
		"after: [{http: GET shop/}]\nworkload: {rate: 1, for: 1s, htp: GET shop/}":  "a.yaml:3:30: a workload is http, run or cmd hint: did you mean http?",
		"after: [{process: shop, is: reddy}]":                                       `a.yaml:2:29: a unit is never "reddy" hint: did you mean ready?`,
		"after: [{process: shop, is: running}, {process: shop, is: crash-looping}]": "",
		"after: [{http: shop/v1/orders}]":                                           `a.yaml:2:16: "shop/v1/orders" does not say its method hint: write GET shop/v1/orders`,
	} {
		told := ""
		if _, err := Parse("a.yaml", []byte("title: a\n"+text+"\n")); err != nil {
			told = strings.ReplaceAll(err.Error(), "\n\thint: ", " hint: ")
		}
		if (want == "") != (told == "") || !strings.Contains(told, want) {
			t.Errorf("%s: got %q, want %q", text, told, want)
		}
	}
}
