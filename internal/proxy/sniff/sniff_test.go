package sniff

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"msctl.dev/msctl/internal/resource/resourcetest"
)

// TestMain lets the test binary stand in for msctl, which watches over some of the servers: `TESTBINARY
// embedded rabbitmq …`.
func TestMain(m *testing.M) {
	if resourcetest.Embedded() {
		return
	}
	goleak.VerifyTestMain(m)
}

// step is a run of bytes that went over a connection.
type step struct {
	dir  Dir
	data []byte
}

func ask(s string) step    { return step{Request, []byte(s)} }
func answer(s string) step { return step{Response, []byte(s)} }

// moment is the time of everything in these tests.
var moment = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// read feeds steps to a new parser, each cut into chunks of the size that cut says, and returns what it
// tells. Every chunk is spoiled after it was fed: nothing of it may be kept.
func read(p Parser, steps []step, cut func(n int) int) []Exchange {
	var got []Exchange
	keep := func(x Exchange) {
		x.Attrs = slices.Clone(x.Attrs)
		got = append(got, x)
	}
	for _, s := range steps {
		for data := s.data; len(data) > 0; {
			n := cut(len(data))
			chunk := slices.Clone(data[:n])
			p.Feed(moment, s.dir, chunk, keep)
			for i := range chunk {
				chunk[i] = 0xAA
			}
			data = data[n:]
		}
	}
	p.End(moment, keep)
	return got
}

func whole(n int) int { return n }

// parser returns an unguarded parser, so that a mistake in it is a panic.
func parser(t testing.TB, protocol string) Parser {
	t.Helper()
	for _, p := range protocols {
		if p.name == protocol {
			return p.open()
		}
	}
	t.Fatalf("no protocol %s", protocol)
	return nil
}

// exchanges reads steps whole, byte by byte and in random chunks, and returns what all of these tell.
func exchanges(t testing.TB, protocol string, steps []step) []Exchange {
	t.Helper()
	want := read(parser(t, protocol), steps, whole)
	got := read(parser(t, protocol), steps, func(int) int { return 1 })
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("byte by byte (-whole +got):\n%s", d)
	}
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		limit := 1 << (1 + seed%12)
		got := read(parser(t, protocol), steps, func(n int) int { return 1 + r.IntN(min(n, limit)) })
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("chunks of seed %d (-whole +got):\n%s", seed, d)
		}
	}
	return want
}

// shown is an exchange on one line: kind, name, error, and the attributes of the keys that are asked for.
func shown(xs []Exchange, keys ...string) []string {
	lines := make([]string, 0, len(xs))
	for _, x := range xs {
		line := []string{[]string{"client", "producer", "consumer"}[x.Kind], x.Name}
		for _, key := range keys {
			if v := value(x, key); v != "" {
				line = append(line, "["+v+"]")
			}
		}
		if x.TraceParent != "" {
			line = append(line, x.TraceParent)
		}
		if x.Err != "" {
			line = append(line, "! "+x.Err)
		}
		lines = append(lines, strings.Join(line, " "))
	}
	return lines
}

func value(x Exchange, key string) string {
	for _, a := range x.Attrs {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

func checkShown(t *testing.T, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("exchanges (-want +got):\n%s", d)
	}
}

// checkSame is checkShown where several connections make the order a matter of chance.
func checkSame(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	checkShown(t, got, want...)
}

// checkSecret fails t where a word shows in anything that was told or that the parser still holds.
func checkSecret(t *testing.T, protocol string, steps []step, secrets ...string) {
	t.Helper()
	for _, cut := range []func(int) int{whole, func(int) int { return 1 }} {
		p := parser(t, protocol)
		told := fmt.Sprintf("%+v", read(p, steps, cut))
		held := fmt.Sprintf("%s", p)
		for _, secret := range secrets {
			if strings.Contains(told, secret) {
				t.Errorf("%q is told", secret)
			}
			if strings.Contains(held, secret) {
				t.Errorf("%q is held", secret)
			}
		}
	}
}

// tee carries connections to a server and writes down what goes over them.
type tee struct {
	ln    net.Listener
	mu    sync.Mutex
	conns []*[]step
	wg    sync.WaitGroup
}

// record starts a tee in front of the server at addr. Its connections end with the test.
func record(t *testing.T, addr string) *tee {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &tee{ln: ln}
	var open []net.Conn
	r.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", addr)
			if err != nil {
				c.Close()
				continue
			}
			r.mu.Lock()
			open = append(open, c, s)
			steps := new([]step)
			r.conns = append(r.conns, steps)
			r.mu.Unlock()
			r.wg.Go(func() { r.pump(s, c, steps, Request) })
			r.wg.Go(func() { r.pump(c, s, steps, Response) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		r.mu.Lock()
		for _, c := range open {
			c.Close()
		}
		r.mu.Unlock()
		r.wg.Wait()
	})
	return r
}

func (r *tee) pump(to, from net.Conn, steps *[]step, dir Dir) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			r.mu.Lock()
			*steps = append(*steps, step{dir, slices.Clone(buf[:n])})
			r.mu.Unlock()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if half, ok := to.(interface{ CloseWrite() error }); ok && err == io.EOF {
				half.CloseWrite()
				return
			}
			to.Close()
			return
		}
	}
}

func (r *tee) addr() string { return r.ln.Addr().String() }

// steps returns what went over each connection so far.
func (r *tee) steps() [][]step {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all [][]step
	for _, c := range r.conns {
		all = append(all, slices.Clone(*c))
	}
	return all
}

// told reads all connections that were recorded, in the order in which they were made.
func (r *tee) told(t testing.TB, protocol string) []Exchange {
	t.Helper()
	var all []Exchange
	for _, steps := range r.steps() {
		all = append(all, exchanges(t, protocol, steps)...)
	}
	return all
}

// fuzz checks that a protocol's parser survives anything, tells the same however it is cut, and holds little.
// The first byte of each input says where directions change.
func fuzz(f *testing.F, protocol string, seeds ...[]step) {
	for _, steps := range seeds {
		f.Add(pack(steps))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		steps := unpack(data)
		want := read(parser(t, protocol), steps, whole)
		got := read(parser(t, protocol), steps, func(int) int { return 1 })
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("byte by byte (-whole +got):\n%s", d)
		}
	})
}

// pack writes steps as one string: direction, length in two bytes, data.
func pack(steps []step) []byte {
	var b []byte
	for _, s := range steps {
		for data := s.data; len(data) > 0; {
			n := min(len(data), 0xFFFF)
			b = append(b, byte(s.dir), byte(n>>8), byte(n))
			b = append(b, data[:n]...)
			data = data[n:]
		}
	}
	return b
}

func unpack(b []byte) []step {
	var steps []step
	for len(b) > 3 {
		n := min(int(b[1])<<8|int(b[2]), len(b)-3)
		steps = append(steps, step{Dir(b[0] & 1), b[3 : 3+n]})
		b = b[3+n:]
	}
	return steps
}

func TestUnknownProtocol(t *testing.T) {
	if p := New("gopher"); p != nil {
		t.Errorf("got %v", p)
	}
}

// bomb panics at the first byte.
type bomb struct{ Parser }

func (bomb) Feed(time.Time, Dir, []byte, func(Exchange)) { panic("a mistake of ours") }

func TestGuarded(t *testing.T) {
	p := &guarded{parser: bomb{}}
	p.Feed(moment, Request, []byte("x"), nil)
	p.Feed(moment, Request, []byte("x"), nil)
	p.End(moment, nil)
	if n, _ := p.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}
