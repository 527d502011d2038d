package scaffold_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"msctl.dev/msctl/internal/lastly"
)

// stackUnderTest is a stack that msctl runs for a test.
type stackUnderTest struct {
	t   *testing.T
	bin string
	dir string
	env []string
}

// newStack makes an empty stack and an msctl to run it with.
func newStack(t *testing.T) *stackUnderTest {
	t.Helper()
	s := &stackUnderTest{t: t, bin: t.TempDir(), dir: t.TempDir()}
	runtime, err := os.MkdirTemp("", "r") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	s.env = append(os.Environ(), "CGO_ENABLED=0", "XDG_RUNTIME_DIR="+runtime, "NO_COLOR=1", "GOFLAGS=-buildvcs=false")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", s.bin, "./cmd/...")
	build.Dir, build.Env = "..", s.env
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := lastly.Down(lastly.Stacks{Program: filepath.Join(s.bin, "msctl"), Below: s.dir, Runtime: runtime}); err != nil {
		t.Fatal(err)
	}
	s.file("stack.yaml", "version: 1\nname: shop\n\nservices:\n  seed: {command: \"true\", job: true}\n")
	t.Cleanup(func() { s.command(context.Background(), "down", "--force").Run() })
	return s
}

func (s *stackUnderTest) file(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stackUnderTest) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "msctl"), args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

func (s *stackUnderTest) msctl(args ...string) string {
	s.t.Helper()
	var errs bytes.Buffer
	cmd := s.command(s.t.Context(), args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("msctl %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.Bytes())
	}
	return strings.TrimSpace(string(out))
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestFleet makes a service of each template whose tool chain is here, with edges and resources, and brings
// them up on embedded servers. An item that is made at one is an event that every worker handles, whatever it
// is written in. Then the services are attacked.
func TestFleet(t *testing.T) {
	s := newStack(t)
	s.msctl("new", "service", "billing", "--uses", "postgres,rabbitmq", "--yes")
	s.msctl("new", "service", "prices", "--template", "go-grpc", "--param", "noun=price", "--yes")
	s.msctl("new", "service", "ledger", "--calls", "billing,prices:grpc", "--uses", "billing-db-2:postgres,redis", "--yes")
	s.msctl("new", "service", "worker", "--template", "go-worker", "--consumes", "item.created", "--yes")
	services, http, workers := []string{"billing", "prices", "ledger", "worker"}, []string{"billing", "ledger"}, []string{"worker"}
	override := "services:\n"
	if _, err := exec.LookPath("node"); err == nil {
		modules := nodeModules(t)
		s.msctl("new", "service", "front", "--template", "node-http", "--calls", "billing", "--yes")
		if err := os.Symlink(modules, filepath.Join(s.dir, "services/front/node_modules")); err != nil {
			t.Fatal(err)
		}
		override += "  front: {build: \"true\"}\n" // what it installs is there
		services, http = append(services, "front"), append(http, "front")
	}
	if _, err := exec.LookPath("python3"); err == nil {
		bin := python(t)
		s.msctl("new", "service", "pages", "--template", "python-http", "--calls", "ledger", "--yes")
		s.msctl("new", "service", "printer", "--template", "python-worker", "--consumes", "item.*", "--yes")
		for _, name := range []string{"pages", "printer"} {
			override += fmt.Sprintf("  %s: {build: \"true\", command: [%s, -B, main.py]}\n", name, bin)
		}
		services, http, workers = append(services, "pages", "printer"), append(http, "pages"), append(workers, "printer")
	}
	if override != "services:\n" {
		s.file("stack.override.yaml", override)
	}
	s.msctl("up", "-d", "--runtime", "embedded", "--timeout", "3m")
	at := map[string]string{}
	for _, name := range services {
		at[name] = s.msctl("open", "--print", name)
		if status, body := get(t, at[name]+"/readyz"); status != 200 {
			t.Errorf("%s: readyz: %d %s", name, status, body)
		}
	}
	for _, name := range http[1:] {
		if status, body := get(t, at[name]+"/neighbours"); status != 200 || strings.Count(body, "ready") != strings.Count(body, ":") {
			t.Errorf("%s: neighbours: %d %s", name, status, body)
		}
	}
	s.handled(at, workers)
	t.Run("attacks", func(t *testing.T) {
		for _, name := range http {
			t.Run(name, func(t *testing.T) { t.Parallel(); attack(t, at[name]) })
		}
	})
	s.term("billing", at["billing"])
}

// handled makes an item, and waits until every worker has handled the event that tells of it.
func (s *stackUnderTest) handled(at map[string]string, workers []string) {
	s.t.Helper()
	resp, err := http.Post(at["billing"]+"/items", "application/json", strings.NewReader(`{"id": "first", "name": "First"}`))
	if err != nil || resp.StatusCode != 201 {
		s.t.Fatalf("make item: %v, %v", resp, err)
	}
	resp.Body.Close()
	for _, name := range workers {
		eventually(s.t, name+" to handle the event", func() bool {
			_, body := get(s.t, at[name]+"/handled")
			return strings.Contains(body, `first"`)
		})
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}

// attack is L4: what a service is sent that should not be does no harm, and it answers afterwards as before.
func attack(t *testing.T, base string) {
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	slow := slowloris(t, u.Host, 50)
	texts := []string{`'; DROP TABLE items; --`, `" OR "1"="1`, `1; SELECT pg_sleep(9)`, `\'); DELETE FROM items; --`, `%27%20OR%201=1`, `${jndi:ldap://x}`, `<script>alert(1)</script>`, `{{7*7}}`}
	for i, text := range texts {
		body, err := json.Marshal(map[string]string{"id": fmt.Sprintf("sql-%d", i), "name": text})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(base+"/items", "application/json", bytes.NewReader(body))
		if err != nil || resp.StatusCode != 201 {
			t.Fatalf("%s: %v, %v", text, resp, err)
		}
		resp.Body.Close()
		var made struct{ Name string }
		_, answer := get(t, base+"/items/sql-"+fmt.Sprint(i))
		if err := json.Unmarshal([]byte(answer), &made); err != nil || made.Name != text {
			t.Errorf("%s: came back as %s, %v", text, answer, err)
		}
		if status, answer := get(t, base+"/items/"+url.PathEscape(text)); status != 404 {
			t.Errorf("%s as an id: %d %s", text, status, answer)
		}
	}
	for _, path := range []string{"/../../etc/passwd", "/items/..%2f..%2f..%2fetc%2fpasswd", "/items/%2e%2e/%2e%2e/etc/passwd", "/items/%00", "/items/%0d%0aSet-Cookie:%20a=b"} {
		status, head := raw(t, u.Host, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if status < 300 || status >= 500 || strings.Contains(head, "\nSet-Cookie") {
			t.Errorf("%s: %d\n%s", path, status, head)
		}
	}
	huge(t, base)
	for _, c := range slow {
		if err := closed(c); err != nil {
			t.Errorf("slowloris: %v", err)
		}
	}
	if status, body := get(t, base+"/readyz"); status != 200 {
		t.Errorf("afterwards: %d %s", status, body)
	}
	if _, body := get(t, base+"/items?limit=200"); strings.Count(body, `"sql-`) != len(texts) {
		t.Errorf("afterwards: %s", body)
	}
}

// slowloris begins n requests and never ends them.
func slowloris(t *testing.T, addr string, n int) []net.Conn {
	t.Helper()
	var all []net.Conn
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, "POST /items HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// closed waits until the service has had enough of a connection.
func closed(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("it is still open after 30 s")
	}
	return nil // its end or a reset
}

// raw sends bytes and returns the answer's status and all of it.
func raw(t *testing.T, addr, request string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(bufio.NewReader(c)) // a reset behind the answer is no matter
	var status int
	fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status)
	return status, string(answer)
}

// huge sends 100 MB: the service says 413, or hangs up.
func huge(t *testing.T, base string) {
	t.Helper()
	body := io.LimitReader(zeros{}, 100<<20)
	resp, err := http.Post(base+"/items", "application/json", io.MultiReader(strings.NewReader(`{"name": "`), body))
	if err != nil {
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("100 MB: got %d, want 413", resp.StatusCode)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// term is L5: a service that gets TERM under load finishes every request that it took.
func (s *stackUnderTest) term(service, base string) {
	t := s.t
	t.Helper()
	pid := 0
	for line := range strings.Lines(s.msctl("ps", "--json")) {
		var u struct {
			Name string `json:"name"`
			PID  int    `json:"pid"`
		}
		if err := json.Unmarshal([]byte(line), &u); err == nil && u.Name == service {
			pid = u.PID
		}
	}
	if pid == 0 {
		t.Fatalf("%s has no process", service)
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	lost := make([]error, 20)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: len(lost)}}
	for i := range lost {
		wg.Go(func() { lost[i] = hammer(client, base+"/items", &done) })
	}
	eventually(t, "load", func() bool { return done.Load() > 500 })
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	lost = slices.DeleteFunc(lost, func(err error) bool { return err == nil })
	if len(lost) > 0 {
		t.Errorf("of %d requests these were lost: %v", done.Load(), errors.Join(lost...))
	}
}

// hammer asks until nobody listens any more, which is no loss.
func hammer(client *http.Client, url string, done *atomic.Int64) error {
	for {
		resp, err := client.Get(url)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			return fmt.Errorf("%d: %w", resp.StatusCode, err)
		}
		done.Add(1)
	}
}
