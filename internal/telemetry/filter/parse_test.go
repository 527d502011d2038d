package filter

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" \t ", ""},
		{"service=orders status=error", "service=orders status=error"},
		{"a=1 AND b=2", "a=1 b=2"},
		{"a=1 OR b=2 c=3", "a=1 OR b=2 c=3"},
		{"(a=1 OR b=2) c=3", "(a=1 OR b=2) c=3"},
		{"((a=1 b=2)) c=3", "a=1 b=2 c=3"},
		{"a=1 OR (b=2 OR c=3)", "a=1 OR b=2 OR c=3"},
		{"-cache.hit=true", "-cache.hit=true"},
		{"NOT (a=1 OR b=2)", "-(a=1 OR b=2)"},
		{"NOT -a=1", "a=1"},
		{`name~"GET /api/.*"`, `name~"GET /api/.*"`},
		{`name~"\d+"`, `name~"\\d+"`},
		{`name~\d+`, `name~"\\d+"`},
		{`name~'a "b" \d'`, `name~"a \"b\" \\d"`},
		{"name~^(GET|POST)$", `name~"^(GET|POST)$"`},
		{"(name=f(x) OR b=1)", `name="f(x)" OR b=1`},
		{"duration > 200ms", "duration>200ms"},
		{"trace.spans>50", "trace.spans>50"},
		{"user.id=*", "user.id=*"},
		{"user.id!=*", "-user.id=*"},
		{`user.id="*"`, `user.id="*"`},
		{"timeout", "timeout"},
		{`"no such user" -slow`, `"no such user" -slow`},
		{`"AND" a:b`, `"AND" a:b`},
		{"http://x/y", `"http://x/y"`},
		{`url=http://x/y?a=b`, `url=http://x/y?a=b`},
		{`key=""`, `key=""`},
		{"edge=orders:payments", "edge=orders:payments"},
		{`"odd key"=1`, `"odd key"=1`},
		{"can't", "can't"},
	} {
		n, err := Parse(c.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.text, err)
			continue
		}
		if got := n.String(); got != c.want {
			t.Errorf("Parse(%q) = %s, want %s", c.text, got, c.want)
		}
	}
}

// TestParseMistakes: every mistake names the character and, where there is one, what was meant.
func TestParseMistakes(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int
		msg    string
		hint   string
	}{
		{"status=eror", 8, `status is never "eror"`, "did you mean status=error?"},
		{"service==orders", 8, `"==" is not an operator`, "did you mean service=…?"},
		{"name=~x", 5, `"=~" is not an operator`, "did you mean name~…?"},
		{"duration>200", 10, `duration "200" has no unit`, "did you mean duration>200ms?"},
		{"duration>fast", 10, `"fast" is not a duration`, "write it like duration>200ms"},
		{"a=1 (b=2", 5, `"(" is never closed`, ""},
		{"a=1)", 4, `")" closes nothing`, ""},
		{"ä=1 OR", 7, "something to look for is missing here", ""},
		{"OR a", 1, "something to look for is missing here", "to search for that word put it into quotes"},
		{"a && b", 3, `"&&" is not an operator`, "words beside each other must all hold; leave it out"},
		{"a || b", 3, `"||" is not an operator`, "did you mean OR?"},
		{"!slow", 1, `"!" negates only before = and ~`, "did you mean -slow?"},
		{`name="x`, 6, "quote is never closed", `add " at the end of the value`},
		{`name=x"y"`, 7, "quote in the middle of a value", "put all of it into the quotes"},
		{"service=", 9, "a value is missing after service=", `for the empty value write ""`},
		{"=orders", 1, `a key is missing before "="`, "to search for it put it into quotes"},
		{"name~[", 6, "read regular expression: missing closing ]: `[`", "to look for the text itself write name:["},
		{"kind=servre", 6, `kind is never "servre"`, "did you mean kind=server?"},
		{"severity>=foo", 11, `severity is never "foo"`, "it is trace, debug, info, warn, error or fatal"},
		{"trace.kind=foo", 12, `trace.kind is never "foo"`, "it is request or background"},
		{"trace.kind!=requests", 13, `trace.kind is never "requests"`, "did you mean trace.kind!=request?"},
		{"trace.kind=1", 12, `trace.kind is never "1"`, "it is request or background"},
		{"severity>=eror", 11, `severity is never "eror"`, "did you mean severity>=error?"},
		{"level<wran", 7, `level is never "wran"`, "did you mean level<warn?"},
		{"severity=foo", 10, `severity is never "foo"`, "it is trace, debug, info, warn, error or fatal"},
		{"-", 2, "something to look for is missing here", ""},
		{`""`, 1, "text to search for is empty", ""},
	} {
		_, err := Parse(c.text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%q) = %v, want an *Error", c.text, err)
			continue
		}
		if diff := cmp.Diff(Error{c.column, c.msg, c.hint}, *e); diff != "" {
			t.Errorf("Parse(%q): (-want +got)\n%s", c.text, diff)
		}
	}
}

func TestParseLimits(t *testing.T) {
	for name, text := range map[string]string{
		"length": strings.Repeat("a", MaxLength+1),
		"depth":  strings.Repeat("(", MaxDepth+2) + "a" + strings.Repeat(")", MaxDepth+2),
		"nots":   strings.Repeat("-", MaxDepth+2) + "a",
		"regexp": "a~" + strings.Repeat("b", MaxRegexp+1),
		"utf8":   "a=\xff",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: parsed, want a refusal", name)
		}
	}
	deep := strings.Repeat("(", MaxDepth) + "a" + strings.Repeat(")", MaxDepth)
	if _, err := Parse(deep); err != nil {
		t.Errorf("parse %d levels: %v", MaxDepth, err)
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
		bare bool
	}{
		{"3", 3, true}, {"-1.5e3", -1500, true}, {"200ms", 200e6, false}, {"1.5s", 1.5e9, false}, {"2m", 120e9, false},
		{"1m30s", 90e9, false}, {"2d", 48 * 3600e9, false}, {"10MB", 10e6, false}, {"10mb", 10e6, false}, {"1KiB", 1024, false}, {"5B", 5, false},
	} {
		got, bare, ok := number(c.text)
		if got != c.want || bare != c.bare || !ok {
			t.Errorf("number(%q) = %v %v %v, want %v %v", c.text, got, bare, ok, c.want, c.bare)
		}
	}
	for _, text := range []string{"", "x", "inf", "-inf", "NaN", "0x10", "1_0", "1e999", "99999999999999d", "ms", "+"} {
		if v, _, ok := number(text); ok {
			t.Errorf("number(%q) = %v, want none", text, v)
		}
	}
}

func TestWindow(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text, rest string
		want       Bounds
	}{
		{"", "", Bounds{}},
		{"since=10m", "", Bounds{Since: now.Add(-10 * time.Minute)}},
		{"a=1 since=2h until=1h b=2", "a=1 b=2", Bounds{Since: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)}},
		{"run=prev a=1", "a=1", Bounds{Run: "prev"}},
		{"since=11:30", "", Bounds{Since: now.Add(-30 * time.Minute)}},
		{"since=13:00", "", Bounds{Since: now.Add(-23 * time.Hour)}},
		{"since=2026-03-04 until=now", "", Bounds{Since: now.Add(-12 * time.Hour), Until: now}},
		{"a=1 OR b=2", "a=1 OR b=2", Bounds{}},
	} {
		n, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		rest, got, err := Window(n, now)
		if err != nil {
			t.Errorf("Window(%q): %v", c.text, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || rest.String() != c.rest {
			t.Errorf("Window(%q): rest %q, want %q %s", c.text, rest, c.rest, diff)
		}
	}
	for _, text := range []string{"since=soon", "a=1 OR since=10m", "-since=10m", "a=1 -(b=1 run=x)", "since>10m", "since=1m until=1h"} {
		n, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if _, _, err := Window(n, now); !errors.As(err, &e) {
			t.Errorf("Window(%q) = %v, want an *Error", text, err)
		}
	}
}

// FuzzParse: never a panic, and what String writes is read back as the same filter.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a=1 OR -b!=2 (c~x d:'y z')", `"q" NOT x>=10MB`, "since=1h a=*", `a="\\" b='\''`, "((((", "a:://b", "OR=1 'a'=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse(text)
		if err != nil {
			return
		}
		n.Match(func(string) (any, bool) { return text, true }, func() string { return text })
		Window(n, time.Unix(1e9, 0))
		Complete(text, len(text)/2, n.Keys())
		first := n.String()
		if len(first) > MaxLength {
			return
		}
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", text, first, err)
		}
		if second := again.String(); second != first {
			t.Fatalf("%q was written as %q and then as %q", text, first, second)
		}
	})
}
