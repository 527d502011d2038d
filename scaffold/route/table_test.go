package route

import (
	"strings"
	"testing"
	"time"
)

const table = `# mine

routes: # in order
  # the shop
  - {prefix: /v1/users, service: users} # old
  - prefix: /v1/big   # in
    service: big-one
    timeout: 2s

  # the end
`

func TestAdd(t *testing.T) {
	billing := Route{Prefix: "/v1/billing", Service: "billing"}
	rich := Route{Prefix: "/v1/x", Service: "3", Path: "/items", Auth: Open(), Timeout: 3 * time.Second}
	for name, c := range map[string]struct {
		before string
		add    Route
		want   string
	}{
		"behind the last": {table, billing, strings.Replace(table, "    timeout: 2s\n", "    timeout: 2s\n  - {prefix: /v1/billing, service: billing}\n", 1)},
		"everything":      {"routes:\n- {prefix: /a, service: a}", rich, "routes:\n- {prefix: /a, service: a}\n- {prefix: /v1/x, service: \"3\", path: /items, auth: false, timeout: 3s}\n"},
		"empty":           {"# x\nroutes: [] # none\n\n# y\n", billing, "# x\nroutes: # none\n  - {prefix: /v1/billing, service: billing}\n\n# y\n"},
		"nothing":         {"routes: # none\n# y\n", billing, "routes: # none\n  - {prefix: /v1/billing, service: billing}\n# y\n"},
		"other ends":      {"routes:\r\n  - {prefix: /a, service: a}\r\n", billing, "routes:\r\n  - {prefix: /a, service: a}\r\n  - {prefix: /v1/billing, service: billing}\r\n"},
	} {
		got, err := Add([]byte(c.before), c.add)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, c.want)
		}
		if back, err := Remove(got, c.add.Service); err != nil || len(back) >= len(got) {
			t.Errorf("%s: not removed again: %v\n%s", name, err, back)
		}
	}
	for name, c := range map[string]struct {
		before string
		add    Route
		want   string
	}{
		"taken":       {table, Route{Prefix: "/v1/users", Service: "x"}, "leads to users already, at line 5"},
		"no path":     {table, Route{Prefix: "v1", Service: "x"}, "is not a path"},
		"up":          {table, Route{Prefix: "/v1/../x", Service: "x"}, "is not a path"},
		"breaks out":  {table, Route{Prefix: "/v1, service: y}", Service: "x"}, "is not a path"},
		"no path yet": {table, Route{Service: "x"}, "is not a path"},
		"long":        {table, Route{Prefix: "/a", Service: "x", Timeout: time.Hour}, "not within 10s"},
		"in brackets": {"routes: [{prefix: /a, service: a}]\n", billing, "only a person"},
		"other file":  {"services: []\n", billing, "no list of routes"},
		"no file":     {"", billing, "no list of routes"},
		"half":        {"routes:\n  - {prefix: /a}\n", billing, "is missing"},
	} {
		if got, err := Add([]byte(c.before), c.add); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q\n%s", name, err, c.want, got)
		}
	}
}

// TestHostile refuses tables on which the parser of YAML panics.
func TestHostile(t *testing.T) {
	for _, text := range []string{"routes: [{{}, <<}]\n", "routes:\n  - ? [a]\n    : b\n    <<: {prefix: /a}\n", "routes: [{prefix: /a, service: {{}, <<}}]\n"} {
		_, read := Read([]byte(text))
		_, add := Add([]byte(text), Route{Prefix: "/b", Service: "b"})
		_, remove := Remove([]byte(text), "a")
		if read == nil || add == nil || remove == nil {
			t.Errorf("%q: read %v, added %v, removed %v", text, read, add, remove)
		}
	}
}

func TestRemove(t *testing.T) {
	got, err := Remove([]byte(table), "big-one")
	want := strings.Replace(table, "  - prefix: /v1/big   # in\n    service: big-one\n    timeout: 2s\n", "", 1)
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	got, err = Remove(got, "users")
	if err != nil || !strings.Contains(string(got), "routes: [] # in order\n") || !strings.Contains(string(got), "# the end") {
		t.Errorf("%v\n%s", err, got)
	}
	if same, err := Remove([]byte(table), "none"); err != nil || string(same) != table {
		t.Errorf("%v\n%s", err, same)
	}
}
