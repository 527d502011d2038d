package toxiproxy_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/chaos/toxiproxy"
	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/proxy"
	"msctl.dev/msctl/internal/state"
)

var update = flag.Bool("update", false, "record testdata/answers.txt from the real Toxiproxy")

const golden = "testdata/answers.txt"

// TestAnswers sends each request of the golden file, which was recorded from Toxiproxy 2.12, in its order.
func TestAnswers(t *testing.T) {
	want := read(t)
	if *update {
		got := talk(t, real(t), want)
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, talk(t, serve(t, anything, nil), want)); diff != "" {
		t.Errorf("answers differ from Toxiproxy's (-want +got):\n%s", diff)
	}
}

// TestToxiproxy shows that the golden file and the effects of toxics are Toxiproxy's own, where its source is
// at hand.
func TestToxiproxy(t *testing.T) {
	addr, want := real(t), read(t)
	if diff := cmp.Diff(want, talk(t, addr, want)); diff != "" {
		t.Errorf("Toxiproxy answers otherwise (-want +got):\n%s", diff)
	}
	showEffects(t, addr)
}

func read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anything compiles a fault that does nothing.
func anything(f state.Fault) (proxy.Fault, error) { return still{f}, nil }

type still struct{ state.Fault }

// serve runs a server and returns its address.
func serve(t *testing.T, compile func(state.Fault) (proxy.Fault, error), fleet toxiproxy.Fleet) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &toxiproxy.Server{Compile: compile, Fleet: fleet, Lease: "test"}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// real runs Toxiproxy itself, built from the module that the benchmark pins, and returns its address. It
// downloads nothing.
func real(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "toxiproxy")
	build := exec.Command("go", "build", "-C", "../../internal/bench/peers", "-o", program, "github.com/Shopify/toxiproxy/v2/cmd/server")
	build.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		need.Missing(t, "toxiproxy", "its source is not in the module cache: "+lastLine(out))
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(program, "-host", "127.0.0.1", "-port", port)
	cmd.Env = append(os.Environ(), "LOG_LEVEL=panic")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(20 * time.Second); ; {
		if r, err := http.Get("http://" + addr + "/version"); err == nil {
			r.Body.Close()
			return addr
		}
		if time.Now().After(deadline) {
			t.Fatal("toxiproxy does not answer")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// talk sends the requests of a script and returns the script with the answers. A paragraph is a line "METHOD
// path" with a body behind it, then the answer's lines, each after "< ". $name is where the proxy of that name
// listens.
func talk(t *testing.T, addr, script string) string {
	t.Helper()
	var out strings.Builder
	c := conversation{addr: addr, at: map[string]string{}, now: map[string]string{}}
	for _, line := range strings.Split(script, "\n") {
		if strings.HasPrefix(line, "< ") || line == "<" {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, said := range c.ask(t, line) {
			fmt.Fprintln(&out, strings.TrimRight("< "+said, " "))
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

type conversation struct {
	addr string
	at   map[string]string // where a proxy listened, to its name
	now  map[string]string // a proxy, to where it listens
}

var listens = regexp.MustCompile(`"name":"([^"]+)","listen":"([^"]+:\d+)"`)

func (c *conversation) ask(t *testing.T, line string) []string {
	t.Helper()
	method, rest, _ := strings.Cut(line, " ")
	path, body, _ := strings.Cut(rest, " ")
	for name, listen := range c.now {
		body = strings.ReplaceAll(body, "$"+name, listen)
	}
	r, err := http.NewRequest(method, "http://"+c.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if agent, ok := strings.CutPrefix(body, "as "); ok {
		r.Header.Set("User-Agent", agent)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("%d %s", answer.StatusCode, answer.Header.Get("Content-Type"))
	return append([]string{strings.TrimSpace(head)}, c.plain(string(text))...)
}

// plain is a body without what differs from run to run.
func (c *conversation) plain(text string) []string {
	for _, m := range listens.FindAllStringSubmatch(text, -1) {
		if !strings.HasSuffix(m[2], ":0") {
			c.at[m[2]], c.now[m[1]] = m[1], m[2]
		}
	}
	for listen, name := range c.at {
		text = strings.ReplaceAll(text, listen, "$"+name)
	}
	text = strings.TrimSuffix(text, "\n")
	text = goType.ReplaceAllString(text, "Go $1 X$2")
	text = strings.ReplaceAll(text, `"Logger":{},`, "") // a field that it did not mean to show
	text = strings.ReplaceAll(text, `"version": "git"`, `"version": "2.12.0"`)
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// goType is the name of Toxiproxy's own type in an error of encoding/json.
var goType = regexp.MustCompile(`Go (struct field|value of type) .*?( of type|","status")`)
