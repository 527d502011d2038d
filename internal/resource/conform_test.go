package resource_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver/container"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// client is a real client of one sort of server.
type client struct {
	// write keeps value under key on the resource at e; read returns it, "" where there is none.
	write func(ctx context.Context, e end, key, value string) error
	read  func(ctx context.Context, e end, key string) (string, error)
}

// end is a resource as its users see it.
type end struct {
	resource.Endpoint
	ports map[string]int // of its server
}

// clients are the real clients by URL scheme.
var clients = map[string]client{
	"redis": redisClient, "nats": natsClient, "postgres": postgresClient, "amqp": rabbitClient, "mysql": mysqlClient,
	"kafka": kafkaClient, "mongodb": mongoClient, "smtp": smtpClient,
}

// TestRecipes runs every recipe of every kind: it starts, is written to, stops, starts again on the same
// data and gives back what was written, also after it was killed; two resources of the kind do not see
// each other's.
func TestRecipes(t *testing.T) {
	m := machine(t)
	for _, k := range resource.Kinds {
		for _, rec := range append(k.Recipes, k.StandIn...) {
			if rec.InFile || k == resource.Container {
				continue // have tests of their own
			}
			t.Run(k.Name+"/"+string(rec.Runtime)+" "+rec.Name, func(t *testing.T) {
				t.Parallel()
				needs(t, m, rec)
				conform(t, m, k, rec)
			})
		}
	}
}

// machine is this one, with the local images unless MSCTL_IMAGE_PREFIX says others.
func machine(t *testing.T) resource.Machine {
	t.Helper()
	return resource.Prober{
		Engine: container.Ping,
		HasImage: func(ctx context.Context, name string) bool {
			there, err := container.ImageExists(ctx, name)
			return err == nil && there
		},
		Getenv: func(key string) string {
			if v := os.Getenv(key); v != "" || key != "MSCTL_IMAGE_PREFIX" {
				return v
			}
			return "local/"
		},
	}.Probe(t.Context())
}

// needs skips a recipe that cannot run here. No test pulls an image. Kafka's and MongoDB's images and
// mongod come from nowhere but the internet: their absence is never a failure.
func needs(t *testing.T, m resource.Machine, rec *resource.Recipe) {
	t.Helper()
	rare := rec.Name == "mongo" || rec.Name == "kafka"
	switch rec.Runtime {
	case resource.Native:
		if rare && m.Programs[rec.Programs[0]] == "" {
			t.Skipf("%s is not installed", rec.Programs[0])
		}
		need.Native(t, rec.Programs...)
	case resource.InEngine:
		need.Docker(t)
		there := slices.ContainsFunc(rec.Images, func(name string) bool { return m.Images[name] || m.Images[m.Image(name)] })
		if !there && (rare || !strings.Contains(os.Getenv("MSCTL_REQUIRE"), "docker")) {
			t.Skipf("no image is here of %s", strings.Join(rec.Images, ", "))
		}
	}
}

// needImage skips a test whose image is not here.
func needImage(t *testing.T, name string) {
	t.Helper()
	if there, err := container.ImageExists(t.Context(), name); err != nil || !there {
		if strings.Contains(os.Getenv("MSCTL_REQUIRE"), "docker") {
			t.Fatalf("MSCTL_REQUIRE lists docker: no image %s", name)
		}
		t.Skipf("no image %s is here", name)
	}
}

func conform(t *testing.T, m resource.Machine, k *resource.Kind, rec *resource.Recipe) {
	one := &stack.Resource{Name: "orders-db", Type: k.Name, Runtime: string(rec.Runtime)}
	two := &stack.Resource{Name: "users-db", Type: k.Name, Runtime: string(rec.Runtime)}
	if rec.Runtime == resource.Embedded {
		one.Embedded, two.Embedded = rec.Name, rec.Name
	}
	cs, err := resource.Resolve(&stack.Stack{Name: "test", Dir: "/", Resources: []*stack.Resource{one, two}}, m, "")
	if err != nil {
		t.Fatal(err)
	}
	servers := resource.Servers(cs)
	places := map[string]resource.Place{}
	var runs []running
	for _, s := range servers {
		places[s.Name] = place(t, s)
		runs = append(runs, start(t, s, places[s.Name]))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var ends []end
	for _, s := range servers {
		for _, c := range s.Choices {
			for range 2 { // the second time changes nothing
				if err := s.Prepare(ctx, places[s.Name], c); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range cs {
		ends = append(ends, end{c.Endpoint(places[c.Server]), places[c.Server].Ports})
	}
	use := clients[scheme(t, ends[0].URL)]
	keep(ctx, t, use, ends)
	isolated(ctx, t, use, ends)
	for i, r := range runs {
		if r.pgid != 0 {
			loopbackOnly(t, r.pgid)
			marked(t, r.pgid)
		}
		r.stop()
		runs[i] = start(t, r.server, r.place)
	}
	kept(ctx, t, use, ends)
	for _, r := range runs {
		if r.pgid != 0 && rec.Name != "rabbitmq" { // which takes seconds once more
			r.kill()
			start(t, r.server, r.place)
		}
	}
	kept(ctx, t, use, ends)
	if k.Shared && rec.Runtime == resource.Native {
		grow(ctx, t, m, cs, runs[0], ends)
	}
}

// grow adds a resource to a server that runs, as an edited stack.yaml does.
func grow(ctx context.Context, t *testing.T, m resource.Machine, cs []resource.Choice, r running, ends []end) {
	t.Helper()
	more := *cs[0].Resource
	more.Name = "added"
	s := serverOf(t, m, "", cs[0].Resource, cs[1].Resource, &more)
	c := s.Choices[2]
	if err := s.Prepare(ctx, r.place, c); err != nil {
		t.Fatal(err)
	}
	ends = append(ends, end{c.Endpoint(r.place), r.place.Ports})
	keep(ctx, t, clients[scheme(t, ends[2].URL)], ends)
	isolated(ctx, t, clients[scheme(t, ends[2].URL)], ends[1:])
}

// keep writes to each resource under the same key.
func keep(ctx context.Context, t *testing.T, use client, ends []end) {
	t.Helper()
	for _, e := range ends {
		if err := use.write(ctx, e, "who", e.URL); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
}

// kept reads back from each resource what keep wrote to it.
func kept(ctx context.Context, t *testing.T, use client, ends []end) {
	t.Helper()
	for _, e := range ends {
		got, err := use.read(ctx, e, "who")
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if got != e.URL {
			t.Errorf("read %q, want %q", got, e.URL)
		}
	}
}

// isolated checks that what one resource holds is not seen through the other.
func isolated(ctx context.Context, t *testing.T, use client, ends []end) {
	t.Helper()
	kept(ctx, t, use, ends)
	if err := use.write(ctx, ends[0], "only", "here"); err != nil {
		t.Fatalf("write: %v", err)
	}
	if got, err := use.read(ctx, ends[1], "only"); err == nil && got != "" {
		t.Errorf("read %q through the other resource", got)
	}
}
