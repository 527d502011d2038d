package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/proxy"
)

// asked parses one fault, and returns what it says about requests of a protocol.
func asked(t *testing.T, words string, q *proxy.Request, times int) (got []proxy.Action, hits []int) {
	t.Helper()
	faults, err := Parse(strings.Fields(words))
	for i := range faults {
		for key, value := range faults[i].Match {
			faults[i].Match[key] = strings.ReplaceAll(value, "~", " ")
		}
	}
	if err != nil || len(faults) != 1 {
		t.Fatalf("%s: %v", words, err)
	}
	f, err := Compile(faults[0])
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	ask, ok := f.(*proxy.Placed).Fault.(proxy.Asker)
	if !ok {
		t.Fatalf("%s: it is not asked about requests", words)
	}
	for i := range times {
		if do, hit := ask.Ask(q); hit {
			got, hits = append(got, do), append(hits, i+1)
		}
	}
	return got, hits
}

// TestRequestKinds checks what each kind does to a request, and the words of it.
func TestRequestKinds(t *testing.T) {
	charge := &proxy.Request{Protocol: "http", Method: "POST", Path: "/charge", Name: "POST /charge"}
	for _, tc := range []struct {
		words string
		want  func(proxy.Action) string // what of it matters
		text  string
	}{
		{"a:b delay=300ms", func(a proxy.Action) string { return a.Delay.String() }, "300ms"},
		{"a:b delay=300ms stream=down", func(a proxy.Action) string { return a.DelayAnswer.String() }, "300ms"},
		{"a:b abort", func(a proxy.Action) string { return fmt.Sprint(a.Reply.Status) }, "503"},
		{"a:b abort=429,retry-after=1500ms,body=no", func(a proxy.Action) string { return fmt.Sprint(*a.Reply) }, "{429 [{Retry-After 2}] no 0  }"},
		{"a:b rate-limit", func(a proxy.Action) string { return fmt.Sprint(a.Reply.Status) }, "429"},
		{"a:b truncate=1KB", func(a proxy.Action) string { return fmt.Sprint(a.Cut, a.CutAfter) }, "true 1000"},
		{"a:b malformed", func(a proxy.Action) string { return string(a.Answer.Body("application/json", []byte("{\"a\":1}\n"))) }, `{"a":1,`},
		{"a:b malformed stream=up", func(a proxy.Action) string { return string(a.Request.Body("text/plain", []byte("{}"))) }, `{}`},
		{"a:b header=X-User:7,remove=Y", func(a proxy.Action) string { return fmt.Sprint(a.Answer.Set, a.Answer.Remove) }, "[{X-User 7}] [Y]"},
		{"a:b body=paid,by=declined", func(a proxy.Action) string { return string(a.Answer.Body("", []byte("paid, paid"))) }, "declined, declined"},
		{"a:b body,field=items.1.price,by=0", func(a proxy.Action) string {
			return string(a.Answer.Body("", []byte(`{"items":[{"price":1},{"price":2}],"z":1e2}`)))
		}, `{"items":[{"price":1},{"price":0}],"z":1e2}`},
		{"a:b body,field=items.0", func(a proxy.Action) string { return string(a.Answer.Body("", []byte(`{"items":[1,2]}`))) }, `{"items":[2]}`},
		{"a:b body,field=x.y,by=0", func(a proxy.Action) string { return string(a.Answer.Body("", []byte(`{"x":[ 1]}`))) }, `{"x":[ 1]}`},
		{"a:b duplicate", func(a proxy.Action) string { return fmt.Sprint(a.Twice) }, "true"},
		{"a:b omit", func(a proxy.Action) string { return fmt.Sprint(a.Omit) }, "true"},
		{"a:b grpc-status=ABORTED,message=again", func(a proxy.Action) string { return fmt.Sprint(a.Reply.Code, a.Reply.Text, a.Reply.Status) }, "10again0"},
		{"a:b grpc-reset=2", func(a proxy.Action) string { return fmt.Sprint(a.Cut, a.CutAfter) }, "true 2"},
	} {
		got, _ := asked(t, tc.words, charge, 1)
		if len(got) != 1 {
			t.Errorf("%s: it does not act", tc.words)
		} else if text := tc.want(got[0]); text != tc.text {
			t.Errorf("%s: got %s, want %s", tc.words, text, tc.text)
		}
	}
}

// TestWhichRequests checks that matches of a line reach the fault.
func TestWhichRequests(t *testing.T) {
	charge := &proxy.Request{Protocol: "http", Method: "POST", Path: "/charge", Name: "POST /charge", Trace: [16]byte{0xab, 15: 1}}
	for words, want := range map[string][]int{
		"match=/charge":               {1, 2, 3, 4},
		"match=/refund":               nil,
		"match.method=POST match.k=2": {2},
		"match.first=2":               {1, 2},
		"match.every=2":               {1, 3},
		"match.op=POST~/charge":       {1, 2, 3, 4},
		"match.op=POST":               nil,
		"match=POST*":                 {1, 2, 3, 4},
		"match.trace=ab000000000000000000000000000001": {1, 2, 3, 4},
		"match.trace=ab000000000000000000000000000002": nil,
		"match.header=X-User:7":                        nil,
	} {
		if _, got := asked(t, "a:b omit "+words, charge, 4); !slices.Equal(got, want) {
			t.Errorf("%s: acted on %v, want %v", words, got, want)
		}
	}
}

// TestWrongRequestKinds checks that what makes no sense is refused in words.
func TestWrongRequestKinds(t *testing.T) {
	for words, want := range map[string]string{
		"abort=99":                 "none of an answer",
		"abort=503,header=x":       "not a header line",
		"header":                   "nothing is set or removed",
		"header=Content-Length:1":  "where a message ends",
		"header,remove=connection": "what becomes of its connection",
		"body":                     "needs replace= or field=",
		"body,field=x,by={":        "{",
		"body,field=x,by=nope":     "not JSON",
		"delay=1s,jitter=2s":       "jitter 2s is more",
		"grpc-status=NO":           "none of OK",
		"omit match.k=0":           "not a whole number above 0",
		"omit match.trace=xyz":     "match.trace=xyz",
		"omit match.trace=ab":      "2 digits",
	} {
		_, err := Parse(strings.Fields("a:b " + words))
		if e := new(Error); !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", words, err, want)
		}
	}
}

// TestJitterIsDrawn checks that a seed gives the same delays, within their bounds.
func TestJitterIsDrawn(t *testing.T) {
	q := &proxy.Request{Protocol: "http"}
	one, _ := asked(t, "a:b delay=100ms,jitter=50ms seed=7", q, 20)
	two, _ := asked(t, "a:b delay=100ms,jitter=50ms seed=7", q, 20)
	seen := map[time.Duration]bool{}
	for i, do := range one {
		if seen[do.Delay] = true; do.Delay != two[i].Delay || do.Delay < 50*time.Millisecond || do.Delay > 150*time.Millisecond {
			t.Errorf("drew %v, then %v", do.Delay, two[i].Delay)
		}
	}
	if len(seen) < 15 {
		t.Errorf("%d different ones", len(seen))
	}
}

// TestRateLimit checks the seconds of a limit.
func TestRateLimit(t *testing.T) {
	l := limit{most: 2, after: time.Second}
	start := time.Unix(1000, 0)
	for i, want := range []bool{false, false, true, true} {
		if _, got := l.ask(&proxy.Request{}, start.Add(time.Duration(i)*time.Millisecond)); got != want {
			t.Errorf("request %d: limited %v", i, got)
		}
	}
	if _, got := l.ask(&proxy.Request{}, start.Add(time.Second)); got {
		t.Error("the next second is limited too")
	}
}

// TestStatementKinds checks the kinds of databases and brokers.
func TestStatementKinds(t *testing.T) {
	insert := &proxy.Request{Protocol: "postgres", Method: "INSERT", Path: "insert into orders values ($1)", Name: "INSERT orders"}
	get := &proxy.Request{Protocol: "redis", Method: "GET", Path: "GET a", Name: "GET"}
	publish := &proxy.Request{Protocol: "nats", Method: "PUB", Path: "orders.created", Name: "publish orders.created"}
	deliver := &proxy.Request{Protocol: "nats", Method: "MSG", Path: "orders.created", Name: "receive orders.created", Down: true}
	ack := &proxy.Request{Protocol: "amqp", Method: "ACK", Path: "orders"}
	for _, tc := range []struct {
		words string
		q     *proxy.Request
		want  string
	}{
		{"query-error", insert, "40001 failed by a fault"},
		{"query-error=OOM,message=no", get, "OOM no"},
		{"query-error match=update*", insert, ""},
		{"read-only", insert, "25006 cannot execute INSERT in a read-only transaction"},
		{"read-only", get, ""},
		{"query-cut match=into~orders", insert, "omit"},
		{"query-cut=before", insert, "reset"},
		{"query-delay=1s", get, "delay"},
		{"slow-rows=1s", insert, "rows"},
		{"message-drop match=orders.*", publish, "drop"},
		{"message-drop,confirm", publish, "drop confirm"},
		{"message-drop", deliver, ""},
		{"message-drop", ack, ""},
		{"message-drop stream=down", deliver, "drop"},
		{"message-drop stream=down", publish, ""},
		{"message-duplicate", publish, "twice"},
		{"message-delay=1s", publish, "delay"},
		{"message-reorder match=users.*", publish, ""},
		{"message-reorder", publish, "swap"},
		{"message-redeliver", ack, "again"},
		{"message-redeliver", publish, ""},
	} {
		got, _ := asked(t, "a:b "+tc.words, tc.q, 1)
		text := ""
		for _, a := range got {
			if a.Reply != nil {
				text = a.Reply.State + " " + a.Reply.Text
			}
			for word, is := range map[string]bool{"omit": a.Omit, "reset": a.Reset, "delay": a.Delay == time.Second,
				"rows": a.DelayRow == time.Second, "drop": a.Drop, "twice": a.Twice, "swap": a.Swap, "again": a.Again} {
				if is {
					text += word
				}
			}
			if a.Confirm {
				text += " confirm"
			}
		}
		if text != tc.want {
			t.Errorf("%s on %s: got %q, want %q", tc.words, tc.q.Name, text, tc.want)
		}
	}
}
