package contracts_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/contracts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestCanonical reads each version of the specification, and compares with the V4 that is written.
func TestCanonical(t *testing.T) {
	for _, version := range []string{"v2", "v3", "v4"} {
		t.Run(version, func(t *testing.T) {
			p := load(t, "testdata/"+version+".json")
			got := p.Canonical()
			golden := "testdata/" + version + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
			again, err := contracts.Parse(got, contracts.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(got), string(again.Canonical())); diff != "" {
				t.Errorf("written and read again it differs:\n%s", diff)
			}
		})
	}
}

// TestParts reads what each kind has.
func TestParts(t *testing.T) {
	p := load(t, "testdata/v4.json")
	byKind := map[contracts.Kind]contracts.Interaction{}
	for _, i := range p.Interactions {
		byKind[i.Kind] = i
	}
	request := byKind[contracts.HTTP]
	if got, want := request.Request.Query["full"], (contracts.Values{"1"}); !cmp.Equal(got, want) {
		t.Errorf("query is %v, want %v", got, want)
	}
	if got, want := request.Response.Status, 200; got != want || !request.Pending {
		t.Errorf("status is %d, want %d; pending is %v", got, want, request.Pending)
	}
	body, err := request.Response.Body.Bytes()
	if got, want := string(body), `{"html":"<b>","sku":"A"}`; got != want || err != nil {
		t.Errorf("body is %s, want %s; %v", got, want, err)
	}
	call := byKind[contracts.Call]
	if got, want := call.Content.Metadata["grpc-method"], "/inventory.v1.Inventory/Reserve"; got != want {
		t.Errorf("method is %v, want %v", got, want)
	}
	if len(call.Replies) != 1 || call.States[0].Params["qty"] != json.Number("5") {
		t.Errorf("call is %+v", call)
	}
	if got, want := byKind[contracts.Message].Content.Metadata["routing_key"], "stock.low"; got != want {
		t.Errorf("routing key is %v, want %v", got, want)
	}
}

// TestBodies reads payloads in each way that V4 writes them.
func TestBodies(t *testing.T) {
	for body, want := range map[string]string{
		`{"content":{"a":1},"encoded":false}`:         `{"a":1}`,
		`{"content":"text","encoded":false}`:          "text",
		`{"content":"AAE=","encoded":"base64"}`:       "\x00\x01",
		`{"content":"a \"b\"","encoded":"json"}`:      `"a \"b\""`,
		`{"content":null,"encoded":false}`:            "",
		`{"content":12.50,"contentType":"text/json"}`: "12.50",
	} {
		var b contracts.Body
		if err := json.Unmarshal([]byte(body), &b); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Bytes(); string(got) != want || err != nil {
			t.Errorf("%s is %q, want %q; %v", body, got, want, err)
		}
	}
}

// TestHostile refuses each hostile pact, clearly (L6).
func TestHostile(t *testing.T) {
	const fine = `{"type":"Synchronous/HTTP","description":"d","request":{"method":"GET","path":"/"},"response":{"status":200}}`
	pact := func(consumer, interactions string) string {
		return fmt.Sprintf(`{"consumer":{"name":%q},"provider":{"name":"p"},"interactions":[%s],"metadata":{"pactSpecification":{"version":"4.0"}}}`, consumer, interactions)
	}
	rule := func(expr string) string {
		body, _ := json.Marshal(expr)
		return strings.Replace(fine, `"status":200`, `"status":200,"matchingRules":{"body":{"$.a":{"matchers":[{"match":"regex","regex":`+string(body)+`}]}}}`, 1)
	}
	path := func(p string) string { return strings.Replace(fine, `"/"`, fmt.Sprintf("%q", p), 1) }
	for name, c := range map[string]struct{ text, want string }{
		"huge":                 {pact("c", fine) + strings.Repeat(" ", 50<<20), "more than the 8388608 that a pact may have"},
		"deep":                 {pact("c", strings.Repeat("[", 100_000)), "nested deeper than 64"},
		"many values":          {pact("c", "{\"a\":[0"+strings.Repeat(",0", 600_000)+"]}"), "more than 500000 JSON values"},
		"many interactions":    {pact("c", fine+strings.Repeat(","+fine, 6000)), "more than 5000"},
		"name is a path":       {pact("../../etc/passwd", fine), "name of the consumer"},
		"name is hidden":       {pact(".ssh", fine), "name of the consumer"},
		"name has a slash":     {pact("a/b", fine), "name of the consumer"},
		"name has a newline":   {pact("a\nb", fine), "name of the consumer"},
		"name is an address":   {pact("file:///etc/passwd", fine), "name of the consumer"},
		"name is long":         {pact(strings.Repeat("a", 101), fine), "longer than 100 bytes"},
		"no name":              {pact("", fine), "consumer has no name"},
		"path is a file":       {pact("c", path("file:///etc/passwd")), "does not begin with /"},
		"path is another host": {pact("c", path("@evil.example/")), "does not begin with /"},
		"path ends the line":   {pact("c", path("/\r\nHost: evil")), "control characters"},
		"look-ahead":           {pact("c", rule(`(?=a)b`)), "not RE2"},
		"back reference":       {pact("c", rule(`(a)\1`)), "not RE2"},
		"regex bomb":           {pact("c", rule(`((a{1,900}){1,900}){1,900}`)), "not RE2"},
		"long regex":           {pact("c", rule(strings.Repeat("a?", 600))), "longer than 1000 bytes"},
		"unknown kind":         {pact("c", `{"type":"Telepathy","description":"d"}`), "not known"},
		"no request":           {pact("c", `{"type":"Synchronous/HTTP","description":"d"}`), "request"},
		"no description":       {pact("c", strings.Replace(fine, `"d"`, `""`, 1)), "description is empty"},
		"two that differ":      {pact("c", fine+","+strings.Replace(fine, "200", "201", 1)), "differs"},
		"future version":       {`{"consumer":{"name":"c"},"provider":{"name":"p"},"metadata":{"pactSpecification":{"version":"5.0"}}}`, "not known"},
		"two values":           {pact("c", fine) + "]", "something follows"},
		"no JSON":              {"<html>", "read JSON"},
		"empty":                {"", "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := contracts.Parse([]byte(c.text), contracts.Limits{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %.200v, want %q", err, c.want)
			}
			if len(err.Error()) > 400 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestLoad reads a folder, and names what it cannot read.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for from, to := range map[string]string{"v2.json": "web-users.json", "v4.json": "orders-inventory.json"} {
		body, err := os.ReadFile("testdata/" + from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pacts, err := contracts.Load(dir)
	if err != nil || len(pacts) != 2 || pacts[0].Edge() != "orders:inventory" {
		t.Fatalf("got %v, %v", pacts, err)
	}
	for name, body := range map[string]string{"again.json": string(pacts[0].Canonical()), "broken.json": "{"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero.json")); err != nil {
		t.Fatal(err)
	}
	_, err = contracts.Load(dir)
	for _, want := range []string{"holds the pact of orders:inventory already", "broken.json", "zero.json: it is no regular file"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if pacts, err := contracts.Load(filepath.Join(dir, "nothing")); err != nil || pacts != nil {
		t.Errorf("a folder that is not there: %v, %v", pacts, err)
	}
}

func load(t *testing.T, file string) contracts.Pact {
	t.Helper()
	p, err := contracts.LoadFile(file, contracts.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
