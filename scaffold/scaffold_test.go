package scaffold_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl"
	"msctl.dev/msctl/scaffold"
)

// load returns one of msctl's own templates.
func load(t *testing.T, name string) *scaffold.Template {
	t.Helper()
	files, err := fs.Sub(msctl.Files, "templates/"+name)
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := scaffold.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func render(t *testing.T, template string, v scaffold.Values) []scaffold.Output {
	t.Helper()
	out, err := scaffold.Render(load(t, template), inShop(v))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// inShop are the values of a service of the stack shop.
func inShop(v scaffold.Values) scaffold.Values {
	v.Stack, v.Module, v.Kit, v.Path = "shop", "example.com/shop", "services/kit", "services/"+v.Service
	return v
}

var (
	database = scaffold.Use{Name: "orders-db", Kind: "postgres"}
	broker   = scaffold.Use{Name: "broker", Kind: "rabbitmq"}
	cache    = scaffold.Use{Name: "cache", Kind: "redis"}
	paid     = []scaffold.Event{{Key: "value.created"}, {Key: "billing.paid"}, {Key: "3d.late-payment"}}
	told     = []scaffold.Event{{Key: "order.confirmed"}, {Key: "user.*"}, {Key: "billing.paid"}}
	others   = []scaffold.Published{{From: "orders", Key: "order.confirmed"}, {From: "big-users", Key: "user.updated"}, {From: "orders", Key: "order.paid"}}
	calls    = []scaffold.Call{{Name: "users", Protocol: "http"}, {Name: "big-payments", Protocol: "grpc"}}
)

// goServices are Go services of every shape that the templates give, and that TestFleet does not have.
var goServices = []struct {
	template string
	values   scaffold.Values
}{
	{"go-http", scaffold.Values{Service: "plain"}},
	{"go-http", scaffold.Values{Service: "full", Calls: calls, Uses: []scaffold.Use{database, broker, cache},
		Params: map[string]string{"noun": "value"}, Publishes: paid, Consumes: told, Others: others}},
	{"go-worker", scaffold.Values{Service: "mailer", Calls: calls, Uses: []scaffold.Use{database, broker}}},
	{"go-worker", scaffold.Values{Service: "printer", Uses: []scaffold.Use{database, broker}, Publishes: paid, Consumes: told, Others: others}},
	{"go-grpc", scaffold.Values{Service: "big-prices", Calls: calls, Uses: []scaffold.Use{database, broker}, Publishes: paid}},
	{"go-grpc", scaffold.Values{Service: "prices", Params: map[string]string{"noun": "price"}}},
	{"go-gateway", scaffold.Values{Service: "gateway", Calls: calls, Uses: []scaffold.Use{cache}}},
	{"go-http", scaffold.Values{Service: "3d", Calls: calls[1:], Uses: []scaffold.Use{database, cache}, Params: map[string]string{"noun": "type"}}},
}

// TestGoServices builds, vets and tests Go services of every shape.
func TestGoServices(t *testing.T) {
	dir := goStack(t)
	var packages []string
	for _, s := range goServices {
		packages = append(packages, "./services/"+s.values.Service+"/...")
	}
	run(t, dir, "go", append([]string{"test"}, packages...)...)
}

// goStack is a folder with Go services of every shape, and their kit.
func goStack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	kit, err := scaffold.Kit(msctl.Files, "example.com/shop", "services/kit")
	if err != nil {
		t.Fatal(err)
	}
	all := kit
	var more []string
	for _, s := range goServices {
		more = append(more, modulesFor(t, s.template, s.values)...)
		out := render(t, s.template, s.values)
		all = append(all, out...)
	}
	write(t, dir, all)
	modules, err := scaffold.Modules(msctl.Files, os.DirFS(dir), "example.com/shop", true, more)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := scaffold.Plan(dir, nil, modules, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := scaffold.Write(dir, changes); err != nil {
		t.Fatal(err)
	}
	return dir
}

func modulesFor(t *testing.T, template string, v scaffold.Values) []string {
	t.Helper()
	all, err := scaffold.ModulesFor(load(t, template), inShop(v))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func write(t *testing.T, dir string, out []scaffold.Output) {
	t.Helper()
	changes, err := scaffold.Plan(dir, out, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := scaffold.Write(dir, changes); err != nil {
		t.Fatal(err)
	}
	if found, err := filepath.Glob(filepath.Join(dir, ".msctl")); err != nil || len(found) > 0 {
		t.Errorf("left behind: %v, %v", found, err)
	}
}

func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	runWith(t, dir, nil, program, args...)
}

// runWith is run with more in the environment.
func runWith(t *testing.T, dir string, env []string, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}
