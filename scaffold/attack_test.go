package scaffold_test

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
)

//go:embed testdata/sqli.txt
var injections string

// attacked is L4: what a service is sent that should not be does no harm, and it answers afterwards as before.
func (f *fleetUnderTest) attacked(t *testing.T) {
	for name, at := range f.at {
		addr, grpcAddr := strings.TrimPrefix(at, "http://"), ""
		if slices.Contains(f.grpc, name) {
			grpcAddr = f.port(name, "grpc")
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow, until := slowloris(t, addr), time.Now().Add(time.Minute) // before the gateway stands msctl itself
			paths(t, addr)
			headers(t, addr)
			if slices.Contains(f.http, name) {
				injected(t, at)
				huge(t, at+"/items", http.StatusRequestEntityTooLarge)
			} else {
				huge(t, at+"/readyz", http.StatusMethodNotAllowed, http.StatusNotFound, http.StatusRequestEntityTooLarge)
			}
			if grpcAddr != "" {
				slow = append(slow, grpcAttacked(t, grpcAddr))
			}
			for what, c := range slow {
				if err := closed(c, until); err != nil {
					t.Errorf("slowloris %d: %v", what, err)
				}
			}
			if status, body := get(t, at+"/readyz"); status != 200 {
				t.Errorf("afterwards: %d %s", status, body)
			}
		})
	}
}

// idForm is what an id of a template's service may be.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// injected sends texts that are SQL to somebody: they are refused, or come back as they are, and what was
// there before is all that there is beside.
func injected(t *testing.T, base string) {
	t.Helper()
	before := items(t, base)
	n := 0
	for text := range strings.Lines(injections) {
		text = strings.TrimSuffix(text, "\n")
		n++
		id := fmt.Sprintf("sql-%02d", n)
		if status, answer := post(t, base+"/items", map[string]string{"id": id, "name": text}); status != 201 {
			t.Fatalf("%s: %d %s", text, status, answer)
		}
		var made struct{ Name string }
		_, answer := get(t, base+"/items/"+id)
		if err := json.Unmarshal([]byte(answer), &made); err != nil || made.Name != text {
			t.Errorf("%s: came back as %s, %v", text, answer, err)
		}
		before[id] = text
		if idForm.MatchString(text) {
			continue
		}
		if status, answer := post(t, base+"/items", map[string]string{"id": text, "name": "a"}); status != 422 {
			t.Errorf("%s as a new id: %d %s", text, status, answer)
		}
		for _, query := range []string{"/items/" + url.PathEscape(text), "/items?limit=" + url.QueryEscape(text), "/items?after=" + url.QueryEscape(text)} {
			if status, answer := get(t, base+query); status >= 500 || status == 200 && !strings.Contains(query, "after=") {
				t.Errorf("%s: %d %s", query, status, answer)
			}
		}
	}
	after := items(t, base)
	for id, name := range before {
		if after[id] != name {
			t.Errorf("%s is %q now, and was %q", id, after[id], name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("there are %d items, want %d", len(after), len(before))
	}
	if _, err := os.Stat("/tmp/owned"); err == nil {
		t.Error("a text was run")
	}
}

// items are names by ids.
func items(t *testing.T, base string) map[string]string {
	t.Helper()
	var page struct{ Items []struct{ ID, Name string } }
	status, body := get(t, base+"/items?limit=200")
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
		t.Fatalf("list: %d %s, %v", status, body, err)
	}
	all := map[string]string{}
	for _, i := range page.Items {
		all[i.ID] = i.Name
	}
	return all
}

func post(t *testing.T, url string, in any) (int, string) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// paths asks for files that no service has to give, and for what is no path.
func paths(t *testing.T, addr string) {
	t.Helper()
	for _, path := range []string{
		"/../../etc/passwd", "/items/../../../etc/passwd", "/items/..%2f..%2f..%2fetc%2fpasswd", "/items/%2e%2e/%2e%2e/etc/passwd",
		`/items/..\..\..\etc\passwd`, "/items/..%5c..%5cetc%5cpasswd", "/items/%252e%252e%252fetc%252fpasswd", "/items/....//....//etc/passwd",
		"/items/%c0%ae%c0%ae/etc/passwd", "/items/%00", "/items/%0d%0aSet-Cookie:%20a=b", "//etc/passwd", "/main.py", "/main.js", "/.env",
		"/items/" + strings.Repeat("a", 20_000), "/items?after=%00", "/items?after=%0d%0aSet-Cookie:%20a=b",
	} {
		status, answer := raw(t, addr, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		harmless(t, path[:min(len(path), 60)], status, answer)
		if status == 200 {
			t.Errorf("%s: %s", path, answer)
		}
	}
}

// headers sends what would be a header of the answer, or another request, to who reads carelessly.
func headers(t *testing.T, addr string) {
	t.Helper()
	for _, lines := range []string{
		"X-Correlation-ID: a\rSet-Cookie: a=b\r\n", "X-Correlation-ID: a\nSet-Cookie: a=b\r\n", "X-Correlation-ID: a%0d%0aSet-Cookie: a=b\r\n",
		"X-Correlation-ID: " + strings.Repeat("a", 30_000) + "\r\n", "X-Correlation-ID: \x00\r\n", "X-Request-Timeout-Ms: -1\r\n",
		"X-Request-Timeout-Ms: 99999999999999999999\r\n", "X-Request-Timeout-Ms: 1e9\r\n", "traceparent: 00-zz-zz-zz\r\n",
		"traceparent: " + strings.Repeat("0", 9000) + "\r\n", "baggage: " + strings.Repeat("a=b,", 2000) + "\r\n",
		"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: -1\r\n", "Transfer-Encoding: chunked, identity\r\n", " folded: x\r\n",
		strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 300),
	} {
		status, answer := raw(t, addr, "GET /items/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+lines+"\r\n")
		harmless(t, fmt.Sprintf("%.60q", lines), status, answer)
	}
}

// harmless looks at an answer to what should not have been sent; none at all is one too.
func harmless(t *testing.T, what string, status int, answer string) {
	t.Helper()
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	if status >= 500 && status != http.StatusNotImplemented || strings.Contains(head, "\nSet-Cookie") || strings.Contains(answer, "root:") || strings.Count(answer, "HTTP/1.1 ") > 1 {
		t.Errorf("%s: %d\n%.500s", what, status, answer)
	}
}

// slowloris begins requests and never ends them: some in their headers, some in their bodies.
func slowloris(t *testing.T, addr string) []net.Conn {
	t.Helper()
	var all []net.Conn
	for i := range 50 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		request := []string{
			"", "POST /items HTTP/1.1\r\nHost: x\r\nX-Slow: ", "POST /items HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
			"POST /items HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		}[i%4]
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// closed waits until the service has had enough of a connection.
func closed(c net.Conn, until time.Time) error {
	if time.Until(until) < time.Second { // what has ended is seen to have
		until = time.Now().Add(time.Second)
	}
	if err := c.SetReadDeadline(until); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("it is still open after a minute")
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
	if err := c.SetDeadline(time.Now().Add(40 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, sent := io.WriteString(c, request)
	answer, err := io.ReadAll(bufio.NewReader(c)) // a reset behind the answer is no matter
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(sent, os.ErrDeadlineExceeded) {
		t.Errorf("%.60q: nothing came in 40 s", request)
	}
	var status int
	fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status)
	return status, string(answer)
}

// huge sends 100 MB: the service refuses it, or hangs up.
func huge(t *testing.T, url string, want ...int) {
	t.Helper()
	body := io.LimitReader(zeros{}, 100<<20)
	resp, err := http.Post(url, "application/json", io.MultiReader(strings.NewReader(`{"name": "`), body))
	if err != nil {
		return
	}
	resp.Body.Close()
	if !slices.Contains(want, resp.StatusCode) {
		t.Errorf("100 MB: got %d, want %v", resp.StatusCode, want)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// bytesCodec sends messages of gRPC as they are.
type bytesCodec struct{ encoding.Codec }

func (bytesCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (bytesCodec) Name() string                       { return "proto" }

// grpcClient calls methods with bytes.
func grpcClient(t *testing.T, addr string) func(method string, in []byte) error {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(method string, in []byte) error {
		var out []byte
		return conn.Invoke(t.Context(), method, &in, &out, grpc.ForceCodec(bytesCodec{}))
	}
}

// grpcAttacked sends what is too big, what is no message and no method, and returns a connection on which
// nothing comes.
func grpcAttacked(t *testing.T, addr string) net.Conn {
	t.Helper()
	call := grpcClient(t, addr)
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slow.Close() })
	const create, read = "/prices.v1.PricesService/Create", "/prices.v1.PricesService/Read"
	for _, c := range []struct {
		what, method string
		in           []byte
		want         codes.Code
	}{
		{"100 MB", create, make([]byte, 100<<20), codes.ResourceExhausted},
		{"no message", create, []byte("\xff\xff\xff\xff"), codes.Internal},
		{"no method", "/prices.v1.PricesService/Drop", nil, codes.Unimplemented},
		{"no service", "/../../etc/passwd", nil, codes.Unimplemented},
		{"an id that is none", create, field(1, "../etc"), codes.InvalidArgument},
		{"a NUL", read, field(1, "\x00"), codes.NotFound},
		{"no UTF-8", read, field(1, "\xff"), codes.Internal},
	} {
		if err := call(c.method, c.in); status.Code(err) != c.want {
			t.Errorf("%s: got %v, want %v", c.what, err, c.want)
		}
	}
	n := 0
	for text := range strings.Lines(injections) {
		text = strings.TrimSuffix(text, "\n")
		n++
		if err := call(create, append(field(1, fmt.Sprintf("sql-%02d", n)), field(2, text)...)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := call(read, field(1, text)); status.Code(err) != codes.NotFound {
			t.Errorf("%s as an id: %v", text, err)
		}
	}
	if err := call(read, field(1, "sql-01")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	return slow
}

// field is one text of a message of Protocol Buffers.
func field(number byte, text string) []byte {
	return append([]byte{number<<3 | 2, byte(len(text))}, text...)
}
