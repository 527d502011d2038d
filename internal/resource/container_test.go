package resource_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// search is any image with two ports, kept folders and an environment.
func search(r *stack.Resource) {
	r.Image, r.Command = "opensearch:2", []string{"serve"}
	r.Listen = []stack.Listen{{Name: "http", Port: 9200}, {Name: "tcp", Port: 9300}}
	r.Env = []stack.Var{{Name: "WHO", Value: "${env:USER}"}}
	r.Volumes = []string{"/data", "/config"}
}

func TestContainerUnit(t *testing.T) {
	s := serverOf(t, resource.Machine{}, "", res("search", "container", search))
	u, err := s.Unit(resource.Place{Ports: map[string]int{"http": 1, "tcp": 2}, Stack: "id", Env: []stack.Var{{Name: "WHO", Value: "ann"}}})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(u.Name, u.Image, u.Argv, u.Env, u.Ports)
	if want := "search-container opensearch:2 [serve] [WHO=ann] [{http 1 9200} {tcp 2 9300}]\n"; got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if len(u.Mounts) != 2 || u.Mounts[0].Target != "/data" || u.Mounts[0].Source == u.Mounts[1].Source {
		t.Errorf("mounts %v", u.Mounts)
	}
	if _, err := s.Unit(resource.Place{}); err == nil {
		t.Error("a unit without ports")
	}
}

// TestContainerReady asks what a container's health says.
func TestContainerReady(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ok" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer web.Close()
	hangUp, err := net.Listen("tcp", "127.0.0.1:0") // as the engine's proxy does while nobody listens inside
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp.Close()
	go func() {
		for {
			c, err := hangUp.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	p := resource.Place{Ports: map[string]int{"http": web.Listener.Addr().(*net.TCPAddr).Port, "tcp": hangUp.Addr().(*net.TCPAddr).Port}}
	for _, tt := range []struct {
		name  string
		probe *stack.Probe
		ok    bool
	}{
		{"main port", nil, true},
		{"http", &stack.Probe{HTTP: "/ok"}, true},
		{"http says no", &stack.Probe{HTTP: "/"}, false},
		{"http on another port", &stack.Probe{HTTP: "/ok", Port: "tcp"}, false},
		{"tcp", &stack.Probe{TCP: "http"}, true},
		{"tcp hangs up", &stack.Probe{TCP: "tcp"}, false},
	} {
		s := serverOf(t, resource.Machine{}, "", res("search", "container", search, func(r *stack.Resource) { r.Health = tt.probe }))
		if err := s.Ready(t.Context(), p); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestContainerRuns runs any image, here a Redis that nobody knows as one.
func TestContainerRuns(t *testing.T) {
	need.Docker(t)
	m := machine(t)
	needImage(t, m.Image("redis:7"))
	s := serverOf(t, m, "", res("keys", "container", image("redis:7"), func(r *stack.Resource) {
		r.Listen = []stack.Listen{{Name: "redis", Port: 6379}}
		r.Command = []string{"redis-server", "--appendonly", "yes"}
		r.Volumes = []string{"/data"}
	}))
	p := place(t, s)
	r := start(t, s, p)
	e := s.Choices[0].Endpoint(p)
	if e.URL != fmt.Sprintf("tcp://127.0.0.1:%d", e.Port) {
		t.Errorf("endpoint %+v", e)
	}
	e.URL = "redis://" + strings.TrimPrefix(e.URL, "tcp://") + "/0"
	ends := []end{{Endpoint: e}}
	keep(t.Context(), t, redisClient, ends)
	r.stop()
	start(t, s, p)
	kept(t.Context(), t, redisClient, ends)
}

// TestNoRoot checks that no server which msctl starts as a process for root stays root, and that its
// files are its user's (only root can look).
func TestNoRoot(t *testing.T) {
	m := resource.Machine{User: "nobody", Programs: map[string]string{}}
	for _, k := range resource.Kinds {
		for _, rec := range k.Recipes {
			if rec.Runtime != resource.Native {
				continue
			}
			for _, p := range rec.Programs {
				m.Programs[p] = "/bin/" + p
			}
			s := serverOf(t, m, "native", res("one", k.Name))
			ports := map[string]int{}
			for i, l := range s.Listens() {
				ports[l.Name] = 1000 + i
			}
			u, err := s.Unit(resource.Place{Ports: ports})
			if err != nil {
				t.Fatal(err)
			}
			if !dropped(u) {
				t.Errorf("%s stays root: user %q, %v", k.Name, u.User, u.Argv)
			}
		}
	}
}

// dropped reports that a unit, or what it runs, changes its user.
func dropped(u driver.Unit) bool {
	return u.User == "nobody" || strings.Contains(strings.Join(u.Argv, " "), "--user nobody")
}
