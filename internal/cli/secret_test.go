package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/state"
)

// vault is a stack whose services are given secrets by every way in and print all of them, and a search of
// every way out.
type vault struct {
	*terminal
	canaries map[string]string // by the way in
	outputs  map[string]string // by the way out
}

const vaultStack = `version: 1
name: vault
%s
services:
  web:
    command: [fake, confess, serve]
    listen: {http: auto}
    env_file: web.env
    env: &env
      A: ${secret:from_file}
      B: ${secret:from-variable}
      C: before${secret:lines}after
      CLOUD_TOKEN: ${env:CLOUD}
      LITERAL_PASSWORD: canary6-in-the-stack
      URL: postgres://me:canary7@host/db
%s
  bad:
    command: [fake, confess, fail]
    restart: {policy: never}
    env: *env
  sick:
    command: [fake, confess, serve]
    listen: {http: auto}
    health: {http: /sick, deadline: 300ms}
    env: *env
`

func newVault(t *testing.T, resources, env string) *vault {
	v := &vault{terminal: newTerminal(t, fmt.Sprintf(vaultStack, resources, env)), outputs: map[string]string{}}
	v.canaries = map[string]string{
		"secrets.env":           "canary1+from/the=file",
		"MSCTL_SECRET_…":        "canary2 \"from\" <the> variable",
		"secrets.env, 2 lines":  "canary3-first\ncanary3-second",
		"env_file":              "canary4-of-an-env-file-0123456789",
		"${env:…}":              "canary5-of-the-cloud",
		"stack.yaml":            "canary6-in-the-stack",
		"URL with its password": "canary7",
	}
	for file, text := range map[string]string{
		".msctl/secrets.env": "from_file=" + v.canaries["secrets.env"] + "\nlines='" + v.canaries["secrets.env, 2 lines"] + "'\n",
		"web.env":            "STRIPE=" + v.canaries["env_file"] + "\n",
	} {
		path := filepath.Join(v.dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	v.env = append(v.env, "CLOUD="+v.canaries["${env:…}"], "MSCTL_SECRET_FROM_VARIABLE="+v.canaries["MSCTL_SECRET_…"], "GOCACHE="+buildCache())
	if err := keeperBeside(v.bin); err != nil {
		t.Fatal(err)
	}
	return v
}

// msctl runs a command and keeps what it printed, whether or not it failed.
func (v *vault) msctl(args ...string) string {
	v.t.Helper()
	out, err := v.command(args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		v.t.Fatal(err)
	}
	v.outputs["msctl "+strings.Join(args, " ")] = string(out)
	return string(out)
}

// foreground runs `up` until the services have spoken, and interrupts it.
func (v *vault) foreground(args ...string) {
	v.t.Helper()
	cmd := v.command(append([]string{"up"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.msctl("wait", "web", "--timeout", "60s")
	v.msctl("wait", "sick", "--timeout", "60s")
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	v.outputs["msctl up "+strings.Join(args, " ")] = out.String()
}

// api keeps the answers of the control socket, the environments apart: those are meant to hold secrets.
func (v *vault) api() {
	v.t.Helper()
	sockets, _ := filepath.Glob(filepath.Join(v.dir, "run", "msctl", "*.sock"))
	if len(sockets) != 1 {
		v.t.Fatalf("sockets: %v", sockets)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", sockets[0])
	}}}
	ask := func(method, path, body string) io.ReadCloser {
		ctx, cancel := context.WithTimeout(v.t.Context(), 20*time.Second)
		v.t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, method, "http://msctl"+path, strings.NewReader(body))
		if err != nil {
			v.t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			v.t.Fatal(err)
		}
		return res.Body
	}
	var snap state.Snapshot
	for _, r := range [][3]string{{"GET", "/v1/info"}, {"GET", "/v1/snapshot"}, {"POST", "/v1/start", `{"names":["bad"]}`}, {"POST", "/v1/reload", `{}`}} {
		body := ask(r[0], r[1], r[2])
		text, _ := io.ReadAll(body)
		body.Close()
		v.outputs[r[1]] = string(text)
		if r[1] == "/v1/snapshot" {
			if err := json.Unmarshal(text, &snap); err != nil {
				v.t.Fatal(err)
			}
		}
	}
	body := ask("GET", "/v1/events?after=0", "")
	defer body.Close()
	var events strings.Builder
	for d := json.NewDecoder(body); ; {
		var text json.RawMessage
		var ev state.Event
		if err := errors.Join(d.Decode(&text), json.Unmarshal(text, &ev)); err != nil {
			v.t.Fatal(err)
		}
		events.Write(text)
		if ev.Seq >= snap.Seq {
			break
		}
	}
	v.outputs["/v1/events"] = events.String()
}

// files keeps what lies in the folder of the stack and in the runtime folder. What units print is kept as
// it came, for --raw; secrets.env and the servers' data are where secrets live.
func (v *vault) files() {
	v.t.Helper()
	for _, root := range []string{".msctl", "run"} {
		err := filepath.WalkDir(filepath.Join(v.dir, root), func(path string, e fs.DirEntry, err error) error {
			name, _ := filepath.Rel(v.dir, path)
			switch {
			case name == ".msctl/logs" || name == ".msctl/data":
				return fs.SkipDir
			case err != nil || !e.Type().IsRegular() || name == ".msctl/secrets.env":
				return nil // it may be gone by now
			}
			text, _ := os.ReadFile(path)
			v.outputs[name] = string(text)
			return nil
		})
		if err != nil {
			v.t.Fatal(err)
		}
	}
}

// processes keeps the arguments of every process of the machine, and the environment of the keepers.
func (v *vault) processes() {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		text, _ := os.ReadFile(path)
		v.outputs[path] = string(text)
		if strings.Contains(string(text), "keeper\x00") {
			env, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
			v.outputs[filepath.Dir(path)+"/environ of a keeper"] = string(env)
		}
	}
}

// search fails for each secret that is found, in any form, in any output.
func (v *vault) search() {
	v.t.Helper()
	leaks := 0
	for in, canary := range v.canaries {
		for _, line := range append(strings.Split(canary, "\n"), canary) {
			for form, text := range forms(line) {
				for out, printed := range v.outputs {
					if strings.Contains(printed, text) {
						leaks++
						v.t.Errorf("K1: the secret of %s is in %s (%s)", in, out, form)
					}
				}
			}
		}
	}
	v.t.Logf("K1: %d secrets, %d outputs searched, %d leaks", len(v.canaries), len(v.outputs), leaks)
}

func forms(secret string) map[string]string {
	quoted, _ := json.Marshal(secret)
	return map[string]string{
		"as it is": secret, "base64": base64.StdEncoding.EncodeToString([]byte(secret)), "URL": url.QueryEscape(secret),
		"JSON": strings.Trim(string(quoted), `"`),
	}
}

// TestNoSecretLeaves gives a secret through every input and looks for it in every output (K1). The shell
// of the later commands does not know what `up` was given by its environment.
func TestNoSecretLeaves(t *testing.T) {
	v := newVault(t, "", "")
	v.foreground()
	v.foreground("--json")
	v.msctl("up", "-d", "--timeout", "60s")
	v.env = v.env[:len(v.env)-3] // CLOUD, MSCTL_SECRET_… and GOCACHE
	v.everything()
	v.sickAnswers()
	v.msctl("down")
	v.search()
	if raw, err := v.command("logs", "--raw", "web").Output(); err != nil || !strings.Contains(string(raw), v.canaries["secrets.env"]) {
		t.Errorf("logs --raw: does not show what was printed: %v", err)
	}
	for out, want := range map[string]string{"msctl logs": "A=***", "msctl logs --json": "A=***", "msctl wait bad": "A=***", "msctl up ": "A=***", "/v1/events": "A=***",
		"msctl restart sick": "I am given ***"} {
		if !strings.Contains(v.outputs[out], want) {
			t.Errorf("%s: no %s in it:\n%s", out, want, v.outputs[out])
		}
	}
}

// TestNoPasswordLeaves looks for the password of a database in every output (K1).
func TestNoPasswordLeaves(t *testing.T) {
	need.Native(t, "postgres")
	v := newVault(t, "resources:\n  db: {type: postgres, runtime: native}", "      PGPASSWORD: ${db.password}")
	if err := os.Chmod(v.dir, 0o711); err != nil { // the server has a user of its own
		t.Fatal(err)
	}
	v.msctl("up", "-d", "--timeout", "120s")
	password, err := v.command("run", "web", "--", "printenv", "PGPASSWORD").Output()
	if err != nil || len(strings.TrimSpace(string(password))) < 16 {
		t.Fatalf("run printenv: got %d bytes, %v\n%s", len(password), err, v.outputs["msctl up -d --timeout 120s"])
	}
	v.canaries["a server"] = strings.TrimSpace(string(password))
	v.everything()
	v.msctl("down")
	v.outputs["msctl logs, when it is down"] = v.msctl("logs")
	v.search()
}

// sickAnswers restarts sick until its answer is shown: on a slow machine its probe gives up before that.
func (v *vault) sickAnswers() {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if strings.Contains(v.msctl("restart", "sick"), "I am given") {
			return
		}
	}
}

// everything asks every command and every other output.
func (v *vault) everything() {
	for _, line := range []string{
		"ps", "ps --json", "config", "config --json", "graph", "graph --json", "graph --format dot", "graph --format mermaid",
		"doctor", "doctor --json", "logs", "logs --json", "logs bad --tail 3", "logs -t sick", "wait bad", "wait sick", "open web",
		"restart bad", "start bad", "restart sick", "scale web=2", "up --dry-run", "up -d", "up -d web", "up --json -d", "version", "schema", "run web nothing",
		"run web -- nothing", "config --file nothing.yaml",
	} {
		v.msctl(strings.Fields(line)...)
	}
	v.api()
	v.files()
	v.processes()
}
