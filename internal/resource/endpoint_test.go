package resource_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

func TestEndpoints(t *testing.T) {
	rs := []*stack.Resource{
		res("orders-db", "postgres"), res("pg-stats", "postgres"), res("cache", "redis"), res("broker", "rabbitmq"), res("bus", "nats"),
		res("log", "kafka"), res("a-very-long-name-of-a-resource-indeed", "mysql"), res("docs", "mongo"), res("mail", "smtp"),
		res("search", "container", image("opensearch:2"), func(r *stack.Resource) { r.Listen = []stack.Listen{{Name: "http", Port: 9200}} }),
	}
	cs, err := resource.Resolve(&stack.Stack{Resources: rs}, resource.Machine{}, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"postgres://orders_db:PASSWORD@127.0.0.1:7/orders_db?sslmode=disable",
		"postgres://app_pg_stats:PASSWORD@127.0.0.1:7/app_pg_stats?sslmode=disable",
		"redis://127.0.0.1:7/0",
		"amqp://broker:PASSWORD@127.0.0.1:7/broker",
		"nats://127.0.0.1:7",
		"kafka://127.0.0.1:7",
		"mysql://a_very_long_name_of_a_r_1b496636:PASSWORD@127.0.0.1:7/a_very_long_name_of_a_r_1b496636",
		"mongodb://docs:PASSWORD@127.0.0.1:7/docs?authSource=docs&directConnection=true",
		"smtp://127.0.0.1:7",
		"http://127.0.0.1:7",
	}
	seen := map[string]bool{}
	for i, c := range cs {
		ports := map[string]int{"postgres": 7, "redis": 7, "amqp": 7, "nats": 7, "kafka": 7, "mysql": 7, "mongo": 7, "smtp": 7, "http": 7}
		e := c.Endpoint(resource.Place{Ports: ports, Secret: "s", Stack: "id"})
		got := e.URL
		if e.Password != "" {
			got = strings.Replace(got, e.Password, "PASSWORD", 1)
			if len(e.Password) < 32 || seen[e.Password] {
				t.Errorf("%s: password %q is short or used twice", c.Resource.Name, e.Password)
			}
			seen[e.Password] = true
		}
		if got != want[i] {
			t.Errorf("got %s, want %s", got, want[i])
		}
		u, err := url.Parse(e.URL)
		if err != nil || u.Hostname() != e.Host || u.User.Username() != e.User || len(e.User) > 63 {
			t.Errorf("%s does not agree with its parts %+v (%v)", e.URL, e, err)
		}
	}
}

// TestFile gives a resource that is a file a folder of its own user's, whatever its path looks like.
func TestFile(t *testing.T) {
	cs, err := resource.Resolve(&stack.Stack{Resources: []*stack.Resource{res("orders-db", "postgres", standIn("sqlite"))}}, resource.Machine{Engine: errEngine}, "")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "my stack", "data")
	p := resource.Place{DataDir: dir}
	if err := cs[0].Setup(p); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info, err)
	}
	e := cs[0].Endpoint(p)
	if want := filepath.Join(dir, "orders-db.db"); e.Database != want || e.URL != "sqlite://"+strings.ReplaceAll(want, " ", "%20") {
		t.Errorf("endpoint %+v", e)
	}
	if got := resource.Servers(cs); len(got) != 0 {
		t.Errorf("%d servers, want none", len(got))
	}
}

// TestSecret is the same for all who ask, at once and later, and never a torn one.
func TestSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	secrets := make([]string, 20)
	var wg sync.WaitGroup
	for i := range secrets {
		wg.Go(func() {
			var err error
			if secrets[i], err = resource.LoadSecret(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range secrets {
		if s != secrets[0] || len(s) < 32 {
			t.Fatalf("secrets %q and %q", s, secrets[0])
		}
	}
	write(t, filepath.Join(dir, "secret"), "torn")
	again, err := resource.LoadSecret(dir)
	if err != nil || len(again) < 32 {
		t.Errorf("after a torn file: %q, %v", again, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".secret-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestSameUnit checks that setting up and describing a server twice gives the same unit: only then is a
// running one adopted.
func TestSameUnit(t *testing.T) {
	for _, k := range resource.Kinds {
		if k == resource.Container {
			continue
		}
		for _, rec := range k.Recipes {
			m := resource.Machine{Programs: map[string]string{}}
			for _, p := range rec.Programs {
				m.Programs[p] = "/bin/" + p
			}
			s := serverOf(t, m, string(rec.Runtime), res("one", k.Name))
			p := resource.Place{DataDir: "/d", Exe: "/bin/msctl", Stack: "id", Secret: "s", LogDir: "/l", Ports: map[string]int{}}
			for i, l := range s.Listens() {
				p.Ports[l.Name] = 1000 + i
			}
			a, errA := s.Unit(p)
			b, errB := s.Unit(p)
			if errA != nil || errB != nil || !equalUnits(a, b) {
				t.Errorf("%s %s: %v and %v (%v, %v)", rec.Runtime, k.Name, a, b, errA, errB)
			}
			if secret := regexp.MustCompile("[0-9a-f]{32}"); secret.MatchString(strings.Join(a.Argv, " ")) {
				t.Errorf("%s %s shows a secret in its command line", rec.Runtime, k.Name)
			}
		}
	}
}
