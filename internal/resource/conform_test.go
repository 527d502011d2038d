package resource_test

import (
	"context"
	"testing"
	"time"

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
// data and gives back what was written; two resources of the kind do not see each other's.
func TestRecipes(t *testing.T) {
	m := resource.Prober{}.Probe(t.Context())
	for _, k := range resource.Kinds {
		for _, rec := range append(k.Recipes, k.StandIn...) {
			if rec.InFile || rec.Runtime == resource.InEngine {
				continue
			}
			t.Run(k.Name+"/"+string(rec.Runtime)+" "+rec.Name, func(t *testing.T) {
				t.Parallel()
				if rec.Runtime == resource.Native {
					need.Native(t, rec.Programs...)
				}
				conform(t, m, k, rec)
			})
		}
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
	for _, r := range runs {
		loopbackOnly(t, r.pgid)
		r.stop()
		start(t, r.server, r.place)
	}
	kept(ctx, t, use, ends)
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
