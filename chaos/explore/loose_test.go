package explore

import "testing"

// TestUnsteadyWarning is one line, however many calls are made now and then.
func TestUnsteadyWarning(t *testing.T) {
	for want, noise := range map[string][]Point{
		"1 call is not made in each run: cache GET #2":                                 {"gateway POST /v1/orders #1 > cache GET #2"},
		"3 calls are not made in each run: cache GET, cache SET":                       {"a GET #1 > cache GET", "b GET #1 > cache GET", "b GET #1 > cache SET"},
		"5 calls are not made in each run: broker ack #1, broker ack #2, cache GET, …": {"broker ack #1", "broker ack #2", "cache GET", "cache SET", "mail RCPT"},
	} {
		if got := unsteady(noise); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
