package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/telemetry"
)

// gossips is the services that say too much, below the environment of web.
const gossips = `      Z: nothing
  gossip:
    command: [fake, gossip]
    listen: {http: auto}
    env_file: web.env
    env: *env
    calls: {web: http}
    uses: [cache`

// TestNoSecretLeavesByTelemetry lets a service say its secrets, and what would drive a terminal, to the
// receiver and over its edges, and looks for both in every answer on telemetry (K1, I8).
func TestNoSecretLeavesByTelemetry(t *testing.T) {
	noSecretLeavesByTelemetry(newVault(t, "resources:\n  cache: {type: redis, runtime: embedded}", gossips+"]"), "SET")
}

// TestNoQueryLeavesByTelemetry is the same with a database.
func TestNoQueryLeavesByTelemetry(t *testing.T) {
	need.Native(t, "postgres")
	v := newVault(t, "resources:\n  cache: {type: redis, runtime: embedded}\n  db: {type: postgres, runtime: native}", gossips+", db]")
	if err := os.Chmod(v.dir, 0o711); err != nil { // the server has a user of its own
		t.Fatal(err)
	}
	noSecretLeavesByTelemetry(v, "SELECT pg_user")
}

// noSecretLeavesByTelemetry does it. The last that gossip says is last.
func noSecretLeavesByTelemetry(v *vault, last string) {
	t := v.t
	v.canaries["nobody"] = stranger
	up := v.msctl("up", "-d", "--timeout", "60s", "gossip")
	v.env = v.env[:len(v.env)-3] // CLOUD, MSCTL_SECRET_… and GOCACHE
	all := func() string {
		return v.msctl("traces", "--all", "-n", "500") + v.msctl("traces", "service=gossip", "-n", "500")
	}
	for end := time.Now().Add(30 * time.Second); !heard(all(), last); {
		if time.Now().After(end) {
			t.Fatalf("not everything was heard:\n%s\n%s\n%s", up, v.msctl("logs", "gossip"), all())
		}
	}
	trace := "0af76519"
	for _, args := range [][]string{
		{"traces"}, {"traces", "--json", "--all", "-n", "500"}, {"traces", "--status", "error"}, {"trace", trace}, {"trace", trace, "--attrs", "--logs"}, {"trace", trace, "--json"},
		{"map"}, {"map", "--json"}, {"why", "--since", "1h"}, {"why", "--json", "--since", "1h"}, {"why", trace}, {"advise"}, {"advise", "--json"},
		{"metrics"}, {"metrics", "--json"}, {"logs", "--trace", trace}, {"logs", "--trace", trace, "--json"}, {"logs", "--where", "severity>=debug"},
		{"edges"}, {"edges", "--json"}, {"chaos", "list"}, {"trace", "diff", trace, trace}, {"traces", "owned", "--json"},
	} {
		v.msctl(args...)
	}
	for _, id := range regexp.MustCompile(`(?m)^[0-9a-f]{16}`).FindAllString(all(), -1) {
		v.msctl("trace", id, "--attrs", "--logs")
		v.msctl("trace", id, "--json")
	}
	receiver := strings.TrimSpace(v.msctl("open", "--print", "telemetry"))
	for _, path := range []string{"/", "/metrics", "/api/services", "/api/dependencies?lookback=3600000", "/api/traces?service=gossip", "/api/services/gossip/operations",
		"/api/traces/0af7651916cd43dd8448eb211c80319c"} {
		v.get(receiver + path)
	}
	v.msctl("down")
	v.keptEdges()
	v.files()
	for out := range v.outputs {
		if strings.HasPrefix(out, ".msctl/telemetry/") { // as it was sent; what msctl itself adds is in keptEdges
			delete(v.outputs, out)
		}
	}
	v.search()
	v.inert()
	for out, want := range map[string]string{
		"msctl trace " + trace: `\x1b]0;owned`, "msctl metrics": "said", "msctl logs --trace " + trace: "***", "msctl trace " + trace + " --json": "***",
		receiver + "/metrics": "said", receiver + "/api/traces/0af7651916cd43dd8448eb211c80319c": "***", "kept spans of edges": last,
	} {
		if !strings.Contains(v.outputs[out], want) {
			t.Errorf("%s: no %s in it:\n%.2000s", out, want, v.outputs[out])
		}
	}
}

// heard reports that the traces show every way in which gossip speaks.
func heard(traces, last string) bool {
	for _, way := range []string{"say ", "POST /", "SET", last} {
		if !strings.Contains(traces, way) {
			return false
		}
	}
	return true
}

// get keeps what an address answers.
func (v *vault) get(at string) {
	v.t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	res, err := client.Get(at)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if v.outputs[at] = string(text); res.StatusCode != http.StatusOK {
		v.t.Errorf("%s: %s %s", at, res.Status, text)
	}
}

// keptEdges keeps what msctl itself wrote into its store. What services send is kept as they sent it.
func (v *vault) keptEdges() {
	v.t.Helper()
	store, err := telemetry.OpenRead(filepath.Join(v.dir, ".msctl", "telemetry"))
	if err != nil {
		v.t.Fatal(err)
	}
	var out strings.Builder
	err = store.Scan(v.t.Context(), time.Time{}, time.Now(), func(s *telemetry.Span) bool {
		if s.Scope == edgeScope {
			json.NewEncoder(&out).Encode(s)
		}
		return true
	})
	if err != nil {
		v.t.Fatal(err)
	}
	v.outputs["kept spans of edges"] = out.String()
}

// driving is what a terminal acts on, but for ends of lines and tabs.
var driving = regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}]`)

// inert fails for each output that would drive a terminal, and for each answer of the receiver in which a
// page would find a script.
func (v *vault) inert() {
	v.t.Helper()
	for out, text := range v.outputs {
		shown := strings.HasPrefix(out, "msctl ") || strings.HasPrefix(out, "http://")
		if at := driving.FindStringIndex(text); shown && at != nil {
			v.t.Errorf("I8: %s drives the terminal: %q", out, text[max(0, at[0]-40):min(len(text), at[1]+40)])
		}
		if strings.Contains(out, "/api/") && strings.Contains(text, "<script>") {
			v.t.Errorf("I8: %s has a script in it", out)
		}
	}
}
