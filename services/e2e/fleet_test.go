package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/lastly"
	"msctl.dev/msctl/internal/need"
)

// backings are the ways in which backing servers run here.
var backings = []struct {
	name string
	need func(*testing.T)
}{
	{"embedded", func(*testing.T) {}},
	{"native", func(t *testing.T) {
		need.Native(t, "postgres")
		need.Native(t, "redis-server")
		need.Native(t, "rabbitmq-server")
	}},
	{"container", func(t *testing.T) { need.Docker(t) }},
}

// bin is the folder of the programs that the tests share.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if bin, err = os.MkdirTemp("", "e2e"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(bin)
		return m.Run()
	}())
}

// build builds msctl, once, and returns the folder of the stack and the program.
func build(t *testing.T) (root, msctl string) {
	if testing.Short() {
		t.Skip("needs more time than -short leaves")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	msctl = filepath.Join(bin, "msctl")
	if _, err := os.Stat(msctl); err != nil {
		do(t, root, nil, "go", "build", "-o", bin+"/", "./cmd/...")
	}
	return root, msctl
}

// up brings up a copy of the stack beside one that may be up already, and returns its name. It is taken
// down with the test keeper, even if this process is killed before the copy is up.
func up(t, keeper *testing.T, root, msctl, backing string, flags ...string) string {
	t.Helper()
	name := fmt.Sprintf("%s-%d-%d", backing, os.Getpid(), time.Now().UnixNano())
	if err := lastly.Down(lastly.Stacks{Program: msctl, Below: root, Instance: name}); err != nil {
		t.Fatal(err)
	}
	keeper.Cleanup(func() {
		do(keeper, root, nil, msctl, "--instance", name, "down", "-v")
		os.RemoveAll(filepath.Join(root, ".msctl", "instances", name)) // its logs; nobody asks for them again
	})
	do(t, root, nil, append([]string{msctl, "--instance", name, "up", "-d", "--wait", "--runtime", backing, "--timeout", "5m"}, flags...)...)
	return name
}

// fleet is one that runs, and a client of its API.
type fleet struct {
	t                     *testing.T
	root, msctl, instance string
	backing               string
	api, token            string
	begun                 time.Time // what is asked about began after it
}

func newFleet(t *testing.T, root, msctl, instance string) *fleet {
	f := &fleet{t: t, root: root, msctl: msctl, instance: instance}
	f.api = strings.TrimSpace(f.tell("open", "--print", "gateway")) + "/v1"
	var token struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(f.call("POST", "/token", `{"role": "admin"}`, 200), &token); err != nil || token.Token == "" {
		t.Fatalf("token: %v", err)
	}
	f.token = token.Token
	return f
}

// meet makes the user whom notify tells something, and what she is told.
func (f *fleet) meet() *fleet {
	f.t.Helper()
	f.call("POST", "/users", `{"id": "ana", "name": "Ana", "language": "pt-BR", "channels": {
		"email": {"on": true, "to": "ana@example.com"}, "push": {"on": true, "to": "phone-1"}}}`, 201, 409)
	f.call("PUT", "/templates/shipped", `{"default": "en", "languages": {"en": {
		"email": {"subject": "On its way, {{name}}", "body": "Follow it at {{link}}"}, "push": {"subject": "Shipped", "body": "On its way"}}}}`, 201, 200)
	return f
}

// with returns the same fleet for a subtest.
func (f fleet) with(t *testing.T) *fleet {
	f.t = t
	return &f
}

// tell runs a command that must succeed and returns what it prints, the story on stderr too.
func (f *fleet) tell(args ...string) string {
	f.t.Helper()
	argv := append([]string{f.msctl, "--instance", f.instance}, args...)
	out, err := run(f.t, f.root, nil, argv...)
	if err != nil {
		f.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// ask runs a command with --json, and returns what it prints as values.
func ask[T any](f *fleet, args ...string) []T {
	f.t.Helper()
	return read[T](f, f.tell(append(args, "--json")...))
}

// read returns the values in what a command with --json printed.
func read[T any](f *fleet, out string) []T {
	f.t.Helper()
	var all []T
	for line := range strings.Lines(out) {
		var v T
		if !strings.HasPrefix(line, "{") {
			continue // a remark
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			f.t.Fatalf("read %s: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// call asks the API, and returns the body of an answer of one of these statuses. A fleet that is short of time and
// says so is asked again: what is asked here may be asked twice.
func (f *fleet) call(method, path, body string, want ...int) (text []byte) {
	f.t.Helper()
	var said string
	f.until(method+" "+path, func() bool {
		status := 0
		status, text = f.send(method, path, body)
		said = fmt.Sprintf("%d %s", status, text)
		if slices.Contains(want, status) {
			return true
		}
		if status < http.StatusBadGateway {
			f.t.Fatalf("%s %s: %s, want %v", method, path, said, want)
		}
		return false
	}, &said)
	return text
}

func (f *fleet) send(method, path, body string) (status int, text []byte) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.api+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+f.token)
	client := http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err = io.ReadAll(res.Body); err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, text
}

// notify sends a notification and waits until it has arrived. What is asked from now on is about it.
func (f *fleet) notify(id string) {
	f.t.Helper()
	f.begun = time.Now()
	f.call("POST", "/notifications", fmt.Sprintf(`{"request_id": %q, "user_id": "ana", "template": "shipped",
		"variables": {"name": "Ana", "link": "https://shop.example/%s"}}`, id, id), 202)
	f.until(id+" is sent", func() bool {
		return strings.Contains(string(f.call("GET", "/notifications?user=ana&limit=1", "", 200)), `"status":"sent"`)
	})
}

// since is the flag for what began after the last notification was sent.
func (f *fleet) since() string { return "--since=" + f.begun.UTC().Format(time.RFC3339Nano) }

// until asks again and again until it is so. missing says what the last answer was short of.
func (f *fleet) until(what string, ok func() bool, missing ...*string) {
	f.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			for _, m := range missing {
				what += "; missing: " + *m
			}
			f.t.Fatalf("%s: not within a minute", what)
		}
	}
}
