package fleet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/process"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// patience bounds the waits for real processes and compilers on a busy machine.
const patience = 2 * time.Minute

const realStack = `version: 1
name: real
services:
  a:
    path: services/a
    listen: {http: auto}
    health: {http: /}
  b:
    path: services/b
    listen: {http: auto}
    calls: [a]
    health: {http: /}
`

const realService = `package main

import (
	"fmt"
	"net/http"
	"os"

	"example.test/real/kit"
)

const edition = "first"

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, kit.Edition, " ", edition, " ", os.Getenv("MOOD"), " ", os.Getpid())
	})
	fmt.Println("listening")
	fmt.Println(http.ListenAndServe("127.0.0.1:"+os.Getenv("HTTP_PORT"), nil))
	os.Exit(1)
}
`

// project is a stack of real Go services in a folder of its own.
type project struct {
	t   *testing.T
	dir string
	o   Options
}

func newProject(t *testing.T) *project {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &project{t: t, dir: dir}
	p.write("go.mod", "module example.test/real\n\ngo 1.24\n")
	p.write("kit/kit.go", "package kit\n\nconst Edition = \"one\"\n")
	p.write("services/a/main.go", realService)
	p.write("services/b/main.go", realService)
	p.write("stack.yaml", realStack)
	load := func() (*stack.Stack, error) { return stack.Load(stack.LoadOptions{Dir: dir}) }
	st, err := load()
	if err != nil {
		t.Fatal(err)
	}
	id := "real-" + filepath.Base(filepath.Dir(dir)) + fmt.Sprint(os.Getpid())
	p.o = Options{
		Stack: st, Load: load, StateDir: filepath.Join(dir, ".msctl"), CacheDir: filepath.Join(dir, ".msctl", "cache"), PortsDir: t.TempDir(),
		ID: id, Getenv: os.Getenv,
		Process: &process.Driver{RunDir: filepath.Join(dir, ".msctl", "run"), Stack: id, Keeper: []string{keeperProgram(t)}},
	}
	return p
}

// keeperProgram builds the keeper.
func keeperProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "msctl-keeper")
	if out, err := exec.Command("go", "build", "-o", program, "msctl.dev/msctl/cmd/msctl-keeper").CombinedOutput(); err != nil {
		t.Fatalf("build keeper: %v\n%s", err, out)
	}
	return program
}

func (p *project) write(name, text string) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// edit replaces a text in a file, as a whole, like most editors do.
func (p *project) edit(name, from, to string) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	b, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.Contains(string(b), from) {
		p.t.Fatalf("%s does not hold %q", name, from)
	}
	p.write(name+".tmp", strings.ReplaceAll(string(b), from, to))
	if err := os.Rename(file+".tmp", file); err != nil {
		p.t.Fatal(err)
	}
}

// up runs the project and waits until it is up.
func (p *project) up() *rig {
	p.t.Helper()
	r := run(p.t, p.o, nil)
	p.t.Cleanup(func() {
		if !closed(r.done) {
			r.end(driver.ErrKill)
		}
	})
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := r.Start(ctx, nil); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// says returns what a service answers, and the pid of who does.
func says(t *testing.T, u state.Unit) (string, string) {
	t.Helper()
	res, err := http.Get(u.URL)
	if err != nil {
		return err.Error(), ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndexByte(string(body), ' ')
	return strings.TrimSpace(string(body[:at])), string(body[at+1:])
}

// until follows the fleet's events until one satisfies is.
func (r *rig) until(what string, is func(state.Event) bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for e := range r.Follow(ctx, r.seen) {
		r.seen = e.Seq
		if is(e) {
			return
		}
	}
	r.t.Fatalf("waited in vain until %s; units are %s", what, r.phases())
}

// untilReady waits for the next time that a unit gets ready.
func (r *rig) untilReady(name string) {
	r.t.Helper()
	r.until(name+" is ready", func(e state.Event) bool {
		return e.Unit != nil && e.Unit.Name == name && e.Kind == state.KindPhase && e.Unit.Phase == state.Ready
	})
}

// untilNotice waits for the next notice with that text in it.
func (r *rig) untilNotice(text string) {
	r.t.Helper()
	r.until(text, func(e state.Event) bool { return e.Kind == state.KindNotice && strings.Contains(e.Text, text) })
}

// TestWatch is the story of an afternoon: what is edited is built and restarted, nothing else is; what
// does not build leaves the old one running; an edited stack restarts only what changed (E5).
func TestWatch(t *testing.T) {
	p := newProject(t)
	p.o.Watch = true
	r := p.up()
	check := func(name, want string) string {
		t.Helper()
		got, pid := says(t, r.get(name))
		if got != want {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
		return pid
	}
	check("a", "one first")
	b := check("b", "one first")
	r.seen = r.Snapshot().Seq
	<-r.watching

	p.edit("services/a/main.go", "first", "second")
	r.untilNotice("a changed (services/a/main.go): building")
	r.untilNotice("a built in ")
	r.untilReady("a")
	check("a", "one second")
	if now := check("b", "one first"); now != b {
		t.Errorf("b was restarted for an edit of a: pid %s, was %s", now, b)
	}

	p.edit("kit/kit.go", "one", "two")
	r.untilReady("a")
	r.seen = 0
	for first := true; first || r.get("b").PID == 0 || fmt.Sprint(r.get("b").PID) == b; first = false {
		r.untilReady("b")
	}
	a := check("a", "two second")
	check("b", "two first")

	r.seen = r.Snapshot().Seq
	p.edit("services/b/main.go", "const edition", "konst edition")
	r.until("the build of b breaks", func(e state.Event) bool { return e.Kind == state.KindBuild && e.Unit != nil })
	u := r.get("b")
	if u.Phase != state.Ready || !strings.Contains(u.Reason, "services/b/main.go:11:1") {
		t.Errorf("b is %s: %s", u.Phase, u.Reason)
	}
	check("b", "two first")
	p.edit("services/b/main.go", "konst edition", "const edition")
	r.until("b builds again", func(e state.Event) bool {
		return e.Kind == state.KindBuild && e.Unit != nil && e.Unit.Name == "b" && e.Unit.Reason == ""
	})
	r.untilNotice("b built in ")
	r.untilReady("b")
	p.edit("services/b/main.go", `edition = "first"`, `edition = "third"`)
	r.untilReady("b")
	check("b", "two third")

	p.edit("stack.yaml", "version: 1", "version: one")
	r.until("the stack is refused", func(e state.Event) bool {
		return e.Kind == state.KindNotice && strings.Contains(e.Text, "stack.yaml:1:10")
	})
	p.edit("stack.yaml", "version: one", "version: 1")
	p.edit("stack.yaml", "    calls: [a]", "    calls: [a]\n    env: {MOOD: fine}")
	r.untilReady("b")
	check("b", "two third fine")
	if now := check("a", "two second"); now != a {
		t.Errorf("a was restarted for an edit of b in the stack: pid %s, was %s", now, a)
	}
	r.end(nil)
}

// freePort returns a port that nobody had a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// TestAdopt is A3 and C2 end to end: a supervisor that lets go and the next one that takes over, with the
// same processes on the same ports, and nothing built or started.
func TestAdopt(t *testing.T) {
	p := newProject(t)
	auto := "listen: {http: auto}\n    health: {http: /}\n  b:"
	p.edit("stack.yaml", auto, strings.Replace(auto, "auto", fmt.Sprint(freePort(t)), 1))
	var err error
	if p.o.Stack, err = p.o.Load(); err != nil {
		t.Fatal(err)
	}
	r := p.up()
	a, b := r.get("a").PID, r.get("b").PID
	r.end(driver.ErrDetach)
	again := p.up()
	if got := again.get("a").PID; got != a {
		t.Errorf("a has pid %d, had %d", got, a)
	}
	if got := again.get("b").PID; got != b {
		t.Errorf("b has pid %d, had %d", got, b)
	}
	again.end(nil)
	if n, err := p.o.Process.(driver.Sweeper).Sweep(t.Context(), false); n > 0 || err != nil {
		t.Errorf("%d processes left, %v", n, err)
	}
}

// answers asks until so many replicas have answered, and then a while longer, and returns what they say. Each request
// is led to any of them, so that no number of requests is sure to reach all.
func answers(url string, replicas int) map[string]bool {
	said := map[string]bool{}
	for asked, more := 0, 4*replicas; more > 0 && asked < 100*replicas; asked++ {
		http.DefaultClient.CloseIdleConnections() // each request its own connection
		if said[ask(url)] = true; len(said) >= replicas {
			more--
		}
	}
	return said
}

// TestScale checks that replicas of a service that nobody in the stack calls come and go behind one port that stays.
func TestScale(t *testing.T) {
	p := newProject(t)
	r := p.up()
	url := r.get("b").URL
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, n := range []int{3, 1, 2} {
		if err := r.Scale(ctx, "b", n); err != nil {
			t.Fatalf("scale to %d: %v", n, err)
		}
		if got := r.get("b").URL; got != url {
			t.Errorf("b moved from %s to %s", url, got)
		}
		if said := answers(url, n); len(said) != n {
			t.Errorf("%d processes answer, want %d: %v", len(said), n, said)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	r.end(nil)
}
