package scaffold_test

import (
	"io/fs"
	"strings"
	"testing"

	"msctl.dev/msctl"
	"msctl.dev/msctl/scaffold"
)

// templates are the names of all that msctl brings.
func templates(t *testing.T) []string {
	t.Helper()
	found, err := fs.Glob(msctl.Files, "templates/*/"+scaffold.Manifest)
	if err != nil || len(found) == 0 {
		t.Fatalf("%v, %v", found, err)
	}
	var names []string
	for _, f := range found {
		names = append(names, strings.Split(f, "/")[1])
	}
	return names
}

// TestEveryTemplate renders each of msctl's own, and looks for what every one must have.
func TestEveryTemplate(t *testing.T) {
	for _, name := range templates(t) {
		tpl := load(t, name)
		if tpl.Name != name {
			t.Errorf("%s calls itself %s", name, tpl.Name)
		}
		if err := scaffold.Try(tpl); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(tpl.Includes) > 0 {
			continue
		}
		files := map[string]string{}
		for _, o := range render(t, name, scaffold.Values{Service: "billing", Calls: calls, Uses: []scaffold.Use{database, broker, cache}}) {
			files[o.Path] = string(o.Data)
			for _, left := range []string{"{{", "<no value>", "msctl.dev/msctl"} {
				if strings.Contains(strings.ReplaceAll(string(o.Data), "${{", ""), left) {
					t.Errorf("%s: %s has %q in it", name, o.Path, left)
				}
			}
		}
		docker := files["services/billing/Dockerfile"]
		if strings.Count(docker, "\nFROM ") < 2 || !strings.Contains(docker, "\nUSER ") { // behind its comment
			t.Errorf("%s: the Dockerfile has not two stages, or runs as root:\n%s", name, docker)
		}
		if files["services/billing/README.md"] == "" || files[".github/workflows/billing.yml"] == "" {
			t.Errorf("%s lacks README or CI job", name)
		}
	}
}

// TestRegister adds a service to a text and leaves the rest of it as it is.
func TestRegister(t *testing.T) {
	const before = "# mine\nversion: 1\nname: shop\n\nresources:\n  broker: {type: rabbitmq} # one\n\nservices:\n  users:\n    command: x\n\n  # the last\n"
	v := scaffold.Values{Service: "billing", Consumes: told, Publishes: paid[1:2], Path: "services/billing", Calls: calls,
		Uses: []scaffold.Use{broker, {Name: "billing-db", Kind: "postgres", New: true}, {Name: "cache", Kind: "redis", New: true}}}
	after, err := scaffold.Register([]byte(before), load(t, "python-http"), v)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"# mine\nversion: 1\n", "broker: {type: rabbitmq} # one\n", "\n  billing-db: {type: postgres, embedded: sqlite}\n", "\n  cache: {type: redis}\n",
		"\n  billing:\n    path: services/billing\n    listen: {http: auto}\n    calls: {users: http, big-payments: grpc}\n" +
			"    uses: [broker, billing-db, cache]\n    publishes: [billing.paid]\n    consumes: [order.confirmed, \"user.*\", billing.paid]\n" +
			"    health: {http: /readyz}\n    requires: {python: \">=3.11\"}\n",
	} {
		if !strings.Contains(string(after), part) {
			t.Errorf("lacks %q:\n%s", part, after)
		}
	}
	if _, err := scaffold.Register(after, load(t, "python-http"), v); err == nil {
		t.Error("it was added twice")
	}
}
