package verify

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/database"
)

// TestStatesAreChecked refuses files that say nothing, two things, or what nobody knows.
func TestStatesAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"states: {a: {set: [{sql: db}]}}":                     "run what is done to it",
		"states: {a: {set: [{sql: db, run: x, exec: [ls]}]}}": "say one of",
		"states: {a: {set: [{}]}}":                            "say one of",
		"states: {a: {set: [{http: GET}]}}":                   "METHOD /path",
		"states: {a: {set: [{http: GET http://elsewhere/}]}}": "METHOD /path",
		"states: {a: {undo: [{publish: broker}]}}":            "key",
		"messages: {a: {do: [{http: GET /, within: long}]}}":  "no duration",
		"states: {a: {set: [{exec: [ls], take: {a: b}}]}}":    "take is for the answer",
		"reset: [{sqll: db}]":                                 "sqll",
		"state: {}":                                           "state",
		strings.Repeat("# a long file\n", maxStates/14+1):     "over 262144 bytes",
		"a: &a [*a, *a]":                                      "",
		"states: {{},<<}":                                     "",
	} {
		_, err := ParseStates([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", text, err, want)
		}
	}
	if s, err := ParseStates(nil); err != nil || len(s.States) != 0 {
		t.Errorf("an empty file: got %v, %v", s, err)
	}
}

// TestParams puts parameters where they belong, and nowhere else.
func TestParams(t *testing.T) {
	p := params{"id": "a/../b c", "n": json.Number("3"), "user": map[string]any{"name": "Ana"}}
	if got, err := p.path("/users/{id}?n={n}"); err != nil || got != "/users/a%2F..%2Fb%20c?n=3" {
		t.Errorf("path: got %s, %v", got, err)
	}
	got, err := p.filled(map[string]any{"n": "{n}", "text": "no {n}", "user": "{user}", "list": []any{"{user.name}"}, "css": "{ }"})
	text, _ := json.Marshal(got)
	if want := `{"css":"{ }","list":["Ana"],"n":3,"text":"no 3","user":{"name":"Ana"}}`; err != nil || string(text) != want {
		t.Errorf("json: got %s, %v; want %s", text, err, want)
	}
	if _, err := p.text("{nobody}"); err == nil {
		t.Error("a parameter that is not there is filled in")
	}
	db, postgres, err := database.Open("postgres://127.0.0.1/nobody", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statement, args, err := bind(postgres, "UPDATE t SET a = {id}, b = {n}, c = '{}'", p)
	if want := "UPDATE t SET a = $1, b = $2, c = '{}'"; err != nil || statement != want || len(args) != 2 || args[0] != "a/../b c" || args[1] != "3" {
		t.Errorf("sql: got %s %v, %v", statement, args, err)
	}
}

// TestTake makes parameters of an answer, for the actions that follow and for the verifier.
func TestTake(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"access":{"token":"a.b.c","for":%q},"n":12345678901234567890}`, r.URL.Path)
	}))
	t.Cleanup(srv.Close)
	states := func(take string) *States {
		return parseStates(t, "states: {a token is there: {params: {id: ana}, set: [{http: 'POST /{id}', take: {"+take+"}}, {http: 'GET /{token}', take: {path: access.for}}]}}")
	}
	turns := &turns{params: params{}, target: &Target{Name: "gateway", URL: srv.URL, States: states("token: access.token, n: n")}}
	got, err := turns.set(t.Context(), "a token is there", nil)
	if err != nil || got["token"] != "a.b.c" || got["path"] != "/a.b.c" || fmt.Sprint(got["n"]) != "12345678901234567890" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, later := turns.here(); later["token"] != "a.b.c" {
		t.Errorf("what follows has %v", later)
	}
	turns.target.States = states("token: access.tokens")
	if _, err := turns.set(t.Context(), "a token is there", nil); err == nil || !strings.Contains(err.Error(), "the answer has no access.tokens") {
		t.Errorf("a part that is not there: %v", err)
	}
}

// TestSQL runs statements with a parameter that would be an attack if it were written into the text, and
// leaves nothing of a list of which one fails.
func TestSQL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	target := &Target{Name: "users", Resources: map[string]string{"users-db": "sqlite://" + file}}
	evil := "'); DROP TABLE users; --"
	act := func(p params, run ...string) error {
		return target.act(t.Context(), Action{SQL: "users-db", Run: run}, p)
	}
	if err := act(nil, "CREATE TABLE users (name TEXT, n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if err := act(params{"name": evil, "n": json.Number("7")}, "INSERT INTO users VALUES ({name}, {n})"); err != nil {
		t.Fatal(err)
	}
	if err := act(nil, "DELETE FROM users", "DELETE FROM nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("got %v, want what the database said", err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name string
	var n int
	if err := db.QueryRow("SELECT name, n FROM users").Scan(&name, &n); err != nil || name != evil || n != 7 {
		t.Errorf("got %q %d, %v", name, n, err)
	}
	err = target.act(t.Context(), Action{SQL: "orders-db", Run: Statements{"SELECT 1"}}, nil)
	if err == nil || !strings.Contains(err.Error(), `uses no resource "orders-db", only users-db`) {
		t.Errorf("another's database: got %v", err)
	}
}

// TestExec runs a command with the service's environment, in its folder.
func TestExec(t *testing.T) {
	target := &Target{Name: "users", Dir: t.TempDir(), Env: []string{"PATH=/usr/bin:/bin", "WORD=secret"}}
	if err := target.act(t.Context(), Action{Exec: []string{"sh", "-c", `test "$WORD" = secret && test "$1" = "a b"`, "sh", "{id}"}}, params{"id": "a b"}); err != nil {
		t.Error(err)
	}
	err := target.act(t.Context(), Action{Exec: []string{"sh", "-c", "echo what; exit 3"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "what") {
		t.Errorf("got %v, want what it printed", err)
	}
}
