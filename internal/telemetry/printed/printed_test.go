package printed

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"msctl.dev/msctl/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func trace(text string) (id telemetry.TraceID) {
	if err := id.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return id
}

const someTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want telemetry.Log
	}{
		"slog": {`{"time":"2026-03-01T12:00:01.5Z","level":"WARN","msg":"slow","trace":"` + someTrace + `","span":"00f067aa0ba902b7","ms":12}`,
			telemetry.Log{Time: noon.Add(1500 * time.Millisecond), Severity: telemetry.Warn, Body: "slow", Trace: trace(someTrace),
				Span: telemetry.SpanID{0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7}, Attrs: []telemetry.Attr{{Key: "ms", Value: int64(12)}}}},
		"pino": {`{"level":50,"time":1772366400000,"msg":"no","err":{"type":"Error","stack":["a"]}}`,
			telemetry.Log{Time: noon.Local(), Severity: telemetry.Error, Body: "no",
				Attrs: []telemetry.Attr{{Key: "err.stack", Value: `["a"]`}, {Key: "err.type", Value: "Error"}}}},
		"a trace that is none": {`{"message":"x","trace":"yes"}`,
			telemetry.Log{Time: noon, Body: "x", Attrs: []telemetry.Attr{{Key: "trace", Value: "yes"}}}},
		"JSON without a message": {`{"a":1.5}`, telemetry.Log{Time: noon, Body: `{"a":1.5}`, Attrs: []telemetry.Attr{{Key: "a", Value: 1.5}}}},
		"logfmt": {`ts=2026-03-01T12:00:00Z level=error msg="it \"broke\"" traceId=` + someTrace + ` n=3`,
			telemetry.Log{Time: noon, Severity: telemetry.Error, Body: `it "broke"`, Trace: trace(someTrace), Attrs: []telemetry.Attr{{Key: "n", Value: "3"}}}},
		"zap":         {"2026-03-01T12:00:00.000Z\tINFO\tmain.go:12\thello there", telemetry.Log{Time: noon, Severity: telemetry.Info, Body: "hello there", Attrs: []telemetry.Attr{{Key: "caller", Value: "main.go:12"}}}},
		"klog":        {"E0301 12:00:00.123456    1 main.go:34] broke", telemetry.Log{Time: noon, Severity: telemetry.Error, Body: "broke", Attrs: []telemetry.Attr{{Key: "caller", Value: "main.go:34"}}}},
		"plain":       {"2026/03/01 12:00:00 [warning] disk is full", telemetry.Log{Time: noon, Severity: telemetry.Warn, Body: "2026/03/01 12:00:00 [warning] disk is full"}},
		"python":      {"ERROR:root:broken", telemetry.Log{Time: noon, Body: "ERROR:root:broken"}},
		"a sentence":  {"an error is no level here", telemetry.Log{Time: noon, Body: "an error is no level here"}},
		"an equation": {"x=1 is a sentence", telemetry.Log{Time: noon, Body: "x=1 is a sentence"}},
		"nothing":     {"", telemetry.Log{Time: noon}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Printed = true
			if name == "python" {
				c.want.Severity = telemetry.Error
			}
			if d := cmp.Diff(c.want, Parse(noon, []byte(c.line))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	lines := []string{
		"starting",
		"Traceback (most recent call last):",
		`  File "a.py", line 1, in <module>`,
		"ValueError: no",
		`{"msg":"on"}`,
		"java.lang.Error: x",
		"\tat a.B.c(B.java:1)",
		"Caused by: y",
		"done",
		"panic: boom",
		"",
		"goroutine 1 [running]:",
		"main.main()",
		"\t/src/main.go:3 +0x1d",
		`{"msg":"again"}`,
	}
	var j Joiner
	var got []string
	add := func(l *telemetry.Log) {
		if l != nil {
			got = append(got, strings.ReplaceAll(l.Body, "\n", "|"))
		}
	}
	for _, line := range lines {
		add(j.Add(Parse(noon, []byte(line)), line))
	}
	add(j.Flush())
	add(j.Flush())
	want := []string{
		"starting",
		`Traceback (most recent call last):|  File "a.py", line 1, in <module>|ValueError: no`,
		"on",
		"java.lang.Error: x|\tat a.B.c(B.java:1)|Caused by: y",
		"done",
		"panic: boom||goroutine 1 [running]:|main.main()|\t/src/main.go:3 +0x1d",
		"again",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":{"b":{"c":{}}}}`, `a="\x00" msg=`, "I0301 12:00:00.123456 1 a:1] x", "{}", `{"time":1e400,"level":[]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := Parse(noon, []byte(s))
		if l.Body == "" && strings.TrimSpace(s) != "" && s[0] != '{' && !strings.Contains(s, "=") && !strings.Contains(s, "]") && !strings.Contains(s, "\t") {
			t.Errorf("%q has no body", s)
		}
	})
}
