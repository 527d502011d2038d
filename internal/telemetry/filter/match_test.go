package filter

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type severity uint8

func (severity) String() string { return "warn" }

func TestMatch(t *testing.T) {
	record := map[string]any{
		"service": "orders", "status": "error", "duration": 250 * time.Millisecond, "name": "GET /api/orders",
		"cache.hit": false, "http.status": int64(503), "size": float64(11e6), "tags": []any{"red", "blue", int64(7)},
		"level": severity(14), "sent": "150ms", "nan": math.NaN(), "raw": []byte("Bytes"), "none": nil, "version": "1.4",
	}
	get := func(k string) (any, bool) { v, ok := record[k]; return v, ok }
	text := func() string { return "Connection REFUSED by payments" }
	for filter, want := range map[string]bool{
		"": true, "service=orders": true, "service=Orders": false, "service!=orders": false, "service:ORD": true,
		"status=ERROR": true, "status=ok": false, "duration>200ms": true, "duration>1s": false, "duration<=250ms": true, "duration=0.25s": true,
		`name~"GET /api/.*"`: true, "name!~POST": true, "-cache.hit=true": true, "cache.hit=false": true,
		"http.status>=500": true, "http.status=503": true, "http.status~^5": true, "size>10MB": true, "size<10MiB": false,
		"tags=blue": true, "tags=7": true, "tags!=blue": false, "tags=green": false,
		"level=warn": true, "level>=warn": true, "level>warn": false, "level<error": true, "level=error": false,
		"sent>100ms": true, "nan>1": false, "nan<1": false, "raw:byte": true,
		"user.id=*": false, "user.id!=*": true, "user.id=x": false, "user.id!=x": true, "user.id!~x": true, "user.id>1": false, "service=*": true, "none=*": true,
		"refused": true, "-refused": false, "timeout": false, "version>=1.3": true,
		"service=users OR status=error": true, "(service=users OR service=orders) -status=error": false,
	} {
		n, err := Parse(filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Match(get, text); got != want {
			t.Errorf("%s matches: %v, want %v", filter, got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	n, err := Parse("a=1 (b>2 OR -a=3) word c=*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, n.Keys()); diff != "" {
		t.Errorf("keys (-want +got)\n%s", diff)
	}
}

func TestUnknown(t *testing.T) {
	n, err := Parse("a=1 servce=orders")
	if err != nil {
		t.Fatal(err)
	}
	want := []*Error{{5, "nothing has the key servce", "did you mean service?"}}
	if diff := cmp.Diff(want, Unknown(n, []string{"service", "status"})); diff != "" {
		t.Errorf("unknown keys (-want +got)\n%s", diff)
	}
}

func TestComplete(t *testing.T) {
	keys := []string{"service", "status", "http.route", "http.request.method"}
	for _, c := range []struct {
		text string
		from int
		want []string
	}{
		{"s", 0, []string{"service=", "status="}},
		{"a=1 -http.r", 5, []string{"http.request.method=", "http.route="}},
		{"(sta", 1, []string{"status="}},
		{"status=", 7, []string{"error", "ok", "unset"}},
		{"status!=e", 8, []string{"error"}},
		{"service=o", 8, nil},
	} {
		from, got := Complete(c.text, len(c.text), keys)
		if diff := cmp.Diff(c.want, got); diff != "" || from != c.from {
			t.Errorf("Complete(%q) from %d, want %d (-want +got)\n%s", c.text, from, c.from, diff)
		}
	}
}
