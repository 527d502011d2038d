package fleet

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

var update = flag.Bool("update", false, "write the golden files")

const secretKey = "canary-4711"

// planned returns the plan of testdata/plan/stack.yaml with ports that do not depend on the machine.
func planned(t *testing.T, change func(*Options)) *Plan {
	t.Helper()
	return plannedOf(t, "stack.yaml", change)
}

func plannedOf(t *testing.T, file string, change func(*Options)) *Plan {
	t.Helper()
	getenv := func(name string) string {
		return map[string]string{"MSCTL_SECRET_API_KEY": secretKey, "PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "cloud"}[name]
	}
	st, err := stack.Load(stack.LoadOptions{Files: []string{filepath.Join("testdata", "plan", file)}, Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, st, &drivertest.Fake{})
	o.Getenv, o.Runtime, o.Profile, o.Exe = getenv, "embedded", "shop", "/bin/msctl"
	o.StateDir, o.CacheDir = "/shop/.msctl", "/shop/.msctl/cache"
	change(&o)
	p, err := pick(o)
	if err != nil {
		t.Fatal(err)
	}
	fs := facts{skip: map[string]string{"bff": "needs no-such-tool, which is not installed"}, secret: "0123456789", ports: Ports{}}
	if fs.choices, err = resource.Resolve(p.Stack, o.Machine, o.Runtime); err != nil {
		t.Fatal(err)
	}
	if fs.secrets, err = stack.LoadSecrets(st.Dir, getenv); err != nil {
		t.Fatal(err)
	}
	for i, d := range demands(o, p, fs) {
		if fs.ports[d.key] = d.fixed; d.fixed == 0 {
			fs.ports[d.key] = 20001 + i
		}
	}
	plan, err := makePlan(o, p, fs)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestPlan compares the dry run with its golden file.
func TestPlan(t *testing.T) {
	golden(t, "plan.txt", planned(t, func(*Options) {}))
}

// TestMeshPlan is the same of a stack that says where msctl stands between and where not.
func TestMeshPlan(t *testing.T) {
	plan := plannedOf(t, "mesh.yaml", func(o *Options) { o.Profile, o.Telemetry = "", true })
	golden(t, "mesh.txt", plan)
	for unit, want := range map[string][]string{
		"gateway":     {"SELF=http://127.0.0.1:8080 20004 127.0.0.1:20004", "ORDERS=127.0.0.1:20017", "OTEL_BSP_SCHEDULE_DELAY=100"},
		"orders":      {"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:20022", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
		"orders-next": {"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:9"},
		"users":       {"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:20021", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"},
	} {
		for _, st := range plan.Steps {
			for _, e := range want {
				if st.Name == unit && !slices.Contains(st.Unit.Env, e) {
					t.Errorf("%s is not given %s but %v", unit, e, st.Unit.Env)
				}
			}
		}
	}
}

// TestMeshOff checks that a stack without mesh is planned as one before there was any.
func TestMeshOff(t *testing.T) {
	plan := planned(t, func(o *Options) { st := *o.Stack; st.NoMesh, o.Stack = true, &st })
	for _, e := range plan.Edges {
		if e.From != "" && e.Direct == "" {
			t.Errorf("%s goes through msctl", e.Name())
		}
	}
	for name := range plan.Ports {
		if strings.HasPrefix(name, "edge/") {
			t.Errorf("port for %s", name)
		}
	}
}

func golden(t *testing.T, name string, plan *Plan) {
	t.Helper()
	file := filepath.Join("testdata", "plan", name)
	got := plan.String()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the plan changed (-want +got), go test -update writes it:\n%s", diff)
	}
	if strings.Contains(got, secretKey) {
		t.Error("the plan shows a secret (K1)")
	}
}

// TestEnvironment checks what a service is given, and that no more of msctl's own environment reaches it
// than it needs (K6).
func TestEnvironment(t *testing.T) {
	for _, st := range planned(t, func(*Options) {}).Steps {
		if st.Name != "orders-2" {
			continue
		}
		dir := st.def.Dir
		want := []string{
			"PATH=/bin", "MSCTL_STACK=shop", "HTTP_PORT=20006", "GRPC_PORT=20009",
			"ORDERS_DB_URL=sqlite:///shop/.msctl/data/files/orders-db.db", "BROKER_URL=nats://127.0.0.1:20013",
			"OTEL_SERVICE_NAME=orders", "OTEL_RESOURCE_ATTRIBUTES=service.namespace=shop,service.instance.id=orders-2",
			"OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none",
			"PG=file=/shop/.msctl/data/files/orders-db.db", "SELF=127.0.0.1:20009", "MAIN_CACHE=127.0.0.1:20014",
			"KEY=" + secretKey, "PRICE=5$",
		}
		if diff := cmp.Diff(want, st.Unit.Env); diff != "" {
			t.Errorf("environment in %s (-want +got):\n%s", dir, diff)
		}
	}
}

// TestTelemetryPointer checks that a receiver that the user names is handed on, and nothing turned off.
func TestTelemetryPointer(t *testing.T) {
	plan := planned(t, func(o *Options) {
		inner := o.Getenv
		o.Getenv = func(name string) string {
			if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
				return "http://127.0.0.1:4318"
			}
			return inner(name)
		}
	})
	for _, st := range plan.Steps {
		if st.def == nil {
			continue
		}
		if !slices.Contains(st.Unit.Env, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318") || slices.Contains(st.Unit.Env, "OTEL_TRACES_EXPORTER=none") {
			t.Errorf("%s is given %v", st.Name, st.Unit.Env)
		}
	}
}

// TestSelection checks what is picked, and why.
func TestSelection(t *testing.T) {
	plan := planned(t, func(o *Options) { o.Profile, o.Services = "", []string{"seed"} })
	var got []string
	for _, st := range plan.Steps {
		got = append(got, st.Name+": "+regexp.MustCompile(`^home of .*`).ReplaceAllString(st.Reason, "home"))
	}
	want := []string{
		"broker-nats: home", "broker: orders needs it", "cache: orders needs it", "orders-db: orders needs it",
		"orders: seed needs it", "orders-2: seed needs it", "seed: asked for",
	}
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "cache-redis") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("picked (-want +got):\n%s", diff)
	}
}

// TestRequirement checks that what a service lacks is an error at its place, and skips an optional one.
func TestRequirement(t *testing.T) {
	st := stackOf(t.TempDir(), "a:", "b:")
	for _, s := range st.Services {
		s.Requires = []stack.Requirement{{Tool: "no-such-tool", Version: ">=3"}}
	}
	st.Services[0].Optional = true
	o := options(t, st, &drivertest.Fake{})
	_, err := NewPlan(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "run b: needs no-such-tool >=3, which is not installed") {
		t.Errorf("got %v", err)
	}
	st.Services[1].Requires = nil
	plan, err := NewPlan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Steps[0].Skip; got != "needs no-such-tool >=3, which is not installed" {
		t.Errorf("skipped because %q", got)
	}
}
