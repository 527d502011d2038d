package resource_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

var (
	errEngine = errors.New("no container engine answers: /var/run/docker.sock: no such file")
	pair      = map[string]string{"postgres": "/usr/lib/postgresql/15/bin/postgres", "initdb": "/usr/lib/postgresql/15/bin/initdb"}
)

func res(name, kind string, change ...func(*stack.Resource)) *stack.Resource {
	r := &stack.Resource{Name: name, Type: kind, Pos: stack.Pos{File: "stack.yaml", Line: 5, Col: 3}}
	for _, f := range change {
		f(r)
	}
	return r
}

func standIn(name string) func(*stack.Resource) { return func(r *stack.Resource) { r.Embedded = name } }
func forced(runtime string) func(*stack.Resource) {
	return func(r *stack.Resource) { r.Runtime = runtime }
}
func image(name string) func(*stack.Resource) { return func(r *stack.Resource) { r.Image = name } }
func dedicated(r *stack.Resource)             { r.Dedicated = true }

// summary is one line for each choice: what the fleet shows and does with it.
func summary(cs []resource.Choice) []string {
	var out []string
	for _, c := range cs {
		line := fmt.Sprintf("%s: %s on %q, %s", c.Resource.Name, c.Backing(), c.Server, c.Reason)
		for _, r := range c.Rejected {
			line += fmt.Sprintf("; not %s: %s", r.Runtime, r.Reason)
		}
		out = append(out, line)
	}
	return out
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name      string
		machine   resource.Machine
		runtime   string
		resources []*stack.Resource
		want      []string
	}{
		{"the engine is preferred", resource.Machine{Programs: pair}, "auto", []*stack.Resource{res("orders-db", "postgres"), res("users-db", "postgres")},
			[]string{
				`orders-db: container postgres:17 on "postgres", first that runs here`,
				`users-db: container postgres:17 on "postgres", first that runs here`,
			}},
		{"without one the installed server", resource.Machine{Engine: errEngine, Programs: pair}, "", []*stack.Resource{res("orders-db", "postgres")},
			[]string{`orders-db: native postgres on "postgres", first that runs here; not container: ` + errEngine.Error()}},
		{"else the stand-in", resource.Machine{Engine: errEngine}, "auto", []*stack.Resource{res("orders-db", "postgres", standIn("sqlite")), res("broker", "rabbitmq", standIn("nats"))},
			[]string{
				`orders-db: embedded sqlite on "", first that runs here; not container: ` + errEngine.Error() + `; not native: not installed: postgres, initdb`,
				`broker: embedded nats on "broker-nats", first that runs here; not container: ` + errEngine.Error() + `; not native: not installed: rabbitmq-server, rabbitmqctl, epmd`,
			}},
		{"the command line forces", resource.Machine{Programs: pair}, "native", []*stack.Resource{res("orders-db", "postgres"), res("mail", "smtp")},
			[]string{
				`orders-db: native postgres on "postgres", --runtime native`,
				`mail: embedded smtp on "mail-smtp", smtp has no native recipe`,
			}},
		{"embedded, where nothing stands in", resource.Machine{Engine: errEngine, Programs: pair}, "embedded", []*stack.Resource{res("orders-db", "postgres"), res("cache", "redis")},
			[]string{
				"orders-db: native postgres on \"postgres\", no `embedded:` names what stands in for it; not container: " + errEngine.Error(),
				`cache: embedded redis on "cache-redis", --runtime embedded`,
			}},
		{"a resource forces for itself", resource.Machine{}, "container", []*stack.Resource{res("cache", "redis", forced("embedded")), res("redis", "redis")},
			[]string{
				`cache: embedded redis on "cache-redis", runtime: embedded`,
				`redis: container redis:8 on "redis-server", --runtime container`,
			}},
		{"images", resource.Machine{Prefix: "local/", Images: map[string]bool{"local/redis:7": true, "nats:2": true}}, "", []*stack.Resource{
			res("cache", "redis"), res("bus", "nats"), res("log", "kafka"), res("own", "redis", image("valkey/valkey:8"))},
			[]string{
				`cache: container local/redis:7 on "cache-redis", first that runs here`,
				`bus: container nats:2 on "bus-nats", first that runs here`,
				`log: container local/kafka:4.1.0 on "log-kafka", first that runs here`,
				`own: container local/valkey:8 on "own-redis", first that runs here`,
			}},
		{"one server for each image, and for who wants its own", resource.Machine{}, "", []*stack.Resource{
			res("a", "postgres"), res("b", "postgres", image("postgres:16")), res("c", "postgres", dedicated), res("d", "postgres"), res("postgres", "mysql")},
			[]string{
				`a: container postgres:17 on "postgres-server", first that runs here`,
				`b: container postgres:16 on "postgres-16", first that runs here`,
				`c: container postgres:17 on "c-postgres", first that runs here`,
				`d: container postgres:17 on "postgres-server", first that runs here`,
				`postgres: container mariadb:11.8 on "mariadb", first that runs here`,
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cs, err := resource.Resolve(&stack.Stack{Dir: dir, Resources: tt.resources}, tt.machine, tt.runtime)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, summary(cs)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestUnembedded(t *testing.T) {
	for want, all := range map[string][]*stack.Resource{
		"": {res("cache", "redis"), res("orders-db", "postgres", standIn("sqlite")), res("users-db", "postgres", forced("native"))},
		"not embedded, since stack.yaml does not say what stands in: orders-db, m\nhint: orders-db: {embedded: sqlite}": {res("orders-db", "postgres"), res("m", "mongo")},
	} {
		if got := resource.Unembedded(all); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestResolveNothingRuns(t *testing.T) {
	m := resource.Machine{Engine: errEngine, Manager: "apt-get"}
	_, err := resource.Resolve(&stack.Stack{Dir: "/", Resources: []*stack.Resource{
		res("orders-db", "postgres"), res("users-db", "postgres"), res("cache", "redis"), res("broker", "rabbitmq"),
		res("search", "container", image("opensearch:2")),
	}}, m, "auto")
	var cannot *resource.CannotRun
	if !errors.As(err, &cannot) {
		t.Fatalf("error %v, want a CannotRun", err)
	}
	want := strings.TrimSpace(`
run postgres (orders-db, users-db): nothing here can
  container  no container engine answers: /var/run/docker.sock: no such file
  native     not installed: postgres, initdb
run rabbitmq (broker): nothing here can
  container  no container engine answers: /var/run/docker.sock: no such file
  native     not installed: rabbitmq-server, rabbitmqctl, epmd
run container (search): nothing here can
  container  no container engine answers: /var/run/docker.sock: no such file
hint: start or install a container engine (https://docs.docker.com/engine/install), or run ` +
		"`sudo apt-get install postgresql rabbitmq-server`, or add `embedded: sqlite` to postgres and `embedded: nats` to rabbitmq")
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestResolveMistakes(t *testing.T) {
	_, err := resource.Resolve(&stack.Stack{Resources: []*stack.Resource{
		res("a", "postgress"), res("b", "postgres", standIn("nats")), res("c", "mongo", standIn("sqlite")), res("d", "kafka", forced("native")),
		res("e", "container"), {Name: "f", Type: "container", Image: "x", Listen: []stack.Listen{{Name: "http"}}},
	}}, resource.Machine{}, "")
	var es stack.Errors
	if !errors.As(err, &es) {
		t.Fatalf("error %v, want stack.Errors", err)
	}
	var got []string
	for _, e := range es {
		got = append(got, e.Msg+" ("+e.Hint+")")
	}
	want := []string{
		`resource "a" has unknown type "postgress" (one of postgres, redis, rabbitmq, nats, kafka, mysql, mongo, smtp, container)`,
		`resource "b" cannot be "nats" when embedded (embedded: sqlite)`,
		`resource "c" cannot be "sqlite" when embedded (mongo runs in a container or as an installed server only)`,
		`resource "d": kafka has no native recipe (embedded: kafka)`,
		`resource "e" has no image (image: NAME:TAG)`,
		`resource "f": listen "http" needs the port inside the container (http: 8080)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := resource.Resolve(&stack.Stack{}, resource.Machine{}, "docker"); err == nil {
		t.Error("runtime docker is taken")
	}
}

// TestResolveClosedFolder rejects an installed server whose user may not enter the stack's folder.
func TestResolveClosedFolder(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "home")
	if err := os.MkdirAll(filepath.Join(closed, "shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	st := &stack.Stack{Dir: filepath.Join(closed, "shop"), Resources: []*stack.Resource{res("orders-db", "postgres", standIn("sqlite"))}}
	m := resource.Machine{Engine: errEngine, Programs: pair, User: "nobody"}
	cs, err := resource.Resolve(st, m, "")
	if err != nil {
		t.Fatal(err)
	}
	want := "it would run as nobody, who may not enter " + closed + " (chmod o+x " + closed + ")"
	if got := cs[0].Rejected[1].Reason; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
}

// TestCannotRunSaysACauseOnce is a registry that refuses every image with one long error.
func TestCannotRunSaysACauseOnce(t *testing.T) {
	m := resource.Machine{Fetch: func(image string) error {
		return fmt.Errorf("image %s is not here and cannot be had: %w", image, errors.New("dial tcp: no such host"))
	}}
	st := &stack.Stack{Resources: []*stack.Resource{res("a", "postgres"), res("b", "mysql"), res("c", "mongo")}}
	_, err := resource.Resolve(st, m, "container")
	if err == nil {
		t.Fatal("resolved without any image")
	}
	got := err.Error()
	if n := strings.Count(got, "is not here and cannot be had\n"); n != 3 {
		t.Errorf("%d images are named, want 3:\n%s", n, got)
	}
	if n := strings.Count(got, "\n  registry   dial tcp: no such host\n"); n != 1 || strings.Count(got, "no such host") != 1 {
		t.Errorf("the cause is not said once:\n%s", got)
	}
}
