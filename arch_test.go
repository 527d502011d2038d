// Package msctl_test holds the law of imports: who may know whom.
package msctl_test

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/stack"
)

const module = "msctl.dev/msctl/"

// allowed lists what each package may import of this module. A package that is not here fails the test.
var allowed = map[string][]string{
	"internal/stack":                 {},
	"internal/compose":               {"internal/stack"},
	"internal/state":                 {},
	"internal/output":                {},
	"internal/driver":                {},
	"internal/proxy":                 {"internal/proxy/sniff"},
	"internal/driver/drivertest":     {"internal/driver", "internal/output"},
	"internal/keeper":                {"internal/output"},
	"internal/driver/process":        {"internal/driver", "internal/failpoint", "internal/keeper", "internal/output"},
	"internal/driver/container":      {"internal/driver", "internal/driver/container/veil", "internal/failpoint", "internal/output"},
	"internal/driver/container/veil": {},
	"internal/resource":              {"internal/stack", "internal/driver"},
	"internal/resource/embedded":     {},
	"internal/resource/resourcetest": {"internal/driver", "internal/need", "internal/resource", "internal/resource/embedded", "internal/stack"}, // tests only
	"internal/fleet":                 {"internal/failpoint", "internal/stack", "internal/state", "internal/driver", "internal/resource", "internal/output", "internal/proxy"},
	"internal/control":               {"internal/failpoint", "internal/state"},
	"internal/telemetry/filter":      {},
	"internal/telemetry":             {"internal/telemetry/filter"},
	"internal/telemetry/otlp":        {"internal/telemetry"},
	"internal/telemetry/insight":     {"internal/telemetry", "internal/telemetry/filter"},
	"internal/telemetry/printed":     {"internal/telemetry"},
	"internal/telemetry/jaeger":      {"internal/telemetry"},
	"internal/telemetry/desk":        {"internal/telemetry", "internal/telemetry/filter", "internal/telemetry/insight", "internal/telemetry/printed"},
	"internal/proxy/sniff":           {},
	"internal/tui":                   {"chaos", "internal/state", "internal/output", "internal/telemetry", "internal/telemetry/filter"},
	"internal/need":                  {"contracts/library"}, // tests only
	"internal/failpoint":             {},                    // tests only
	"internal/mishap":                {},                    // tests only
	"internal/lastly":                {},                    // tests only
	"internal/testlog":               {},
	"internal/picture":               {}, // documents only
	"internal/bench":                 {},
	"internal/bench/proc":            {},
	"internal/bench/chaos":           {"chaos", "internal/control", "internal/proxy"},
	"internal/bench/edges":           {"chaos", "internal/proxy", "internal/bench/proc"},
	"internal/bench/contracts":       {"contracts/library", "internal/bench/proc"},
	"internal/bench/spans":           {"internal/telemetry", "internal/telemetry/desk", "internal/telemetry/insight", "internal/telemetry/otlp", "internal/telemetry/jaeger", "internal/bench/proc"},
	"chaos":                          {"internal/driver", "internal/proxy", "internal/state"},
	"chaos/toxiproxy":                {"internal/proxy", "internal/state"},
	"chaos/explore":                  {"internal/state"},
	"contracts":                      {},
	"contracts/library":              {},
	"contracts/consumer":             {"contracts", "internal/stack"},
	"contracts/revision":             {"contracts"},
	"contracts/broker":               {"contracts"},
	"contracts/coverage":             {"contracts", "contracts/route", "internal/telemetry"},
	"contracts/ledger":               {"contracts", "contracts/verify", "internal/stack"},
	"contracts/stub":                 {"contracts", "contracts/schema"},
	"contracts/schema":               {},
	"contracts/traffic":              {"contracts", "contracts/route", "internal/telemetry"},
	"contracts/route":                {"internal/telemetry"},
	"contracts/verify":               {"contracts", "contracts/broker", "contracts/schema", "internal/broker", "internal/database", "internal/stack"},
	"internal/database":              {},
	"internal/broker":                {},
	"chaos/experiment":               {"chaos", "internal/broker", "internal/database", "internal/output", "internal/stack", "internal/state", "internal/telemetry", "internal/telemetry/filter"},
	"scaffold":                       {"internal/failpoint", "internal/stack", "scaffold/route", "scaffold/stub"},
	"scaffold/stub":                  {},
	"scaffold/route":                 {"internal/stack"},
	"internal/cli": {"chaos", "chaos/explore", "chaos/experiment", "chaos/toxiproxy", "scaffold", "scaffold/route", "internal/failpoint", "internal/stack", "internal/state", "internal/output", "internal/driver", "internal/driver/process",
		"internal/driver/container", "internal/keeper", "internal/resource", "internal/resource/embedded", "internal/fleet", "internal/control",
		"internal/proxy", "internal/tui", "internal/telemetry", "internal/telemetry/filter", "internal/telemetry/otlp",
		"internal/telemetry/insight", "internal/telemetry/desk", "internal/telemetry/jaeger", "internal/compose",
		"contracts", "contracts/library", "contracts/consumer", "contracts/revision", "contracts/verify", "contracts/stub", "contracts/schema", "contracts/traffic", "contracts/route", "contracts/broker", "contracts/ledger", "contracts/coverage"},
	"cmd/msctl":        {"internal/cli", "internal/keeper"},
	"cmd/msctl-keeper": {"internal/keeper"},
}

// TestImports checks every package's imports of this module, test files apart.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	for line := range bytes.Lines(out) {
		words := strings.Fields(string(line))
		name := strings.TrimPrefix(words[0], module)
		if services(name) {
			checkService(t, name, words[1:])
			continue
		}
		may, known := allowed[name]
		if !known && name != strings.TrimSuffix(module, "/") {
			t.Errorf("package %s is not in the table", name)
		}
		for _, imp := range words[1:] {
			if of, ours := strings.CutPrefix(imp, module); ours && !slices.Contains(may, of) {
				t.Errorf("%s imports %s", name, of)
			}
		}
	}
}

func services(name string) bool { return name == "services" || strings.HasPrefix(name, "services/") }

// checkService holds the reference fleet to its own folder, the kit and the contracts: it knows nothing of
// msctl.
func checkService(t *testing.T, name string, imports []string) {
	t.Helper()
	own := strings.Join(strings.SplitN(name, "/", 3)[:min(2, strings.Count(name, "/")+1)], "/")
	for _, imp := range imports {
		of, ours := strings.CutPrefix(imp, module)
		if ours && !slices.ContainsFunc([]string{"services/kit", "services/proto", own}, func(dir string) bool {
			return of == dir || strings.HasPrefix(of, dir+"/")
		}) {
			t.Errorf("%s imports %s", name, of)
		}
	}
}

// TestPictureIsFresh compares the picture of the fleet in services/README.md with stack.yaml.
func TestPictureIsFresh(t *testing.T) {
	st, err := stack.Load(stack.LoadOptions{Files: []string{"stack.yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	picture, err := st.Graph("mermaid")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("services/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```mermaid\n"+picture+"```\n") {
		t.Error("the picture in services/README.md is stale, `make generate` draws it anew")
	}
}
