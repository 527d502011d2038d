// Package bff_test runs the Node service as a process, and its unit tests.
package bff_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/kittest"
)

// source returns a folder with a copy of the service and what package-lock.json names. The latter is
// installed once for each content of that file, apart from the service's own folder, where msctl may be
// installing at the same time.
func source(t *testing.T) string {
	t.Helper()
	need.Tool(t, "node")
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(modules(t), "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.js*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		copyTo(t, dir, name)
	}
	return dir
}

func modules(t *testing.T) string {
	t.Helper()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		need.Missing(t, "node", "no cache folder: "+err.Error())
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "msctl-test", "bff-"+hex.EncodeToString(sum[:6]))
	stamp := filepath.Join(dir, "complete")
	if _, err := os.Stat(stamp); err == nil {
		return dir
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	copyTo(t, dir, "package.json")
	copyTo(t, dir, "package-lock.json")
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--silent")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		need.Missing(t, "node", fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
	if err := os.WriteFile(stamp, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyTo(t *testing.T, dir, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestUnits runs the tests in JavaScript.
func TestUnits(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // one that fails may not end
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--test")
	cmd.WaitDelay = time.Second
	cmd.Dir = source(t)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("pass 1")) {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}

// process is bff as a process.
type process struct{ *kittest.Program }

func start(t *testing.T, env map[string]string) process {
	t.Helper()
	cmd := exec.Command("node", "main.js")
	cmd.Dir = source(t)
	return process{kittest.StartProgram(t, cmd, env)}
}

// shop answers for all services behind bff; orders waits until wait is closed, nil: not at all.
func shop(t *testing.T, wait, asked chan struct{}) map[string]string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/orders/o1":
			if wait != nil {
				close(asked)
				<-wait
			}
			io.WriteString(w, `{"id":"o1","user_id":"ada","user_name":"Ada","status":"confirmed","reason":"","total":1999,
				"currency":"EUR","lines":[{"item_id":"a","name":"A","quantity":1,"price":1999}],"version":4}`)
		case "/items":
			io.WriteString(w, `{"items":[{"id":"a","name":"A","description":"","price":{"amount":1999,"currency":"EUR"},"available":null,"version":1}]}`)
		case "/stock":
			io.WriteString(w, `{"levels":[{"item_id":"a","available":3,"reserved":0,"sold":1,"received":4,"version":2}]}`)
		default:
			kit.WriteProblem(w, r, kit.NotFound("there is nothing"))
		}
	}))
	t.Cleanup(srv.Close)
	return map[string]string{"PART_TIMEOUT": "20s", "ORDERS_URL": srv.URL, "CATALOG_URL": srv.URL, "USERS_URL": srv.URL, "INVENTORY_URL": srv.URL}
}

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"

// page reads the page of an order under the trace.
func (p process) page(t *testing.T) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", p.URL+"/orders/o1/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	req.Header.Set(kit.CorrelationHeader, "c-1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// TestPage answers in the form that the gateway's document gives, and says in the log what is missing.
func TestPage(t *testing.T) {
	p := start(t, shop(t, nil, nil))
	if got := kittest.Call(t, "GET", p.URL+"/readyz", nil, nil); got != 200 {
		t.Errorf("readyz: %d", got)
	}
	status, body := p.page(t)
	var v any
	if err := json.Unmarshal(body, &v); err != nil || status != 200 {
		t.Fatalf("got %d %s", status, body)
	}
	if err := form(t, "Page").VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
		t.Error(err)
	}
	if v, _ := v.(map[string]any); fmt.Sprint(v["degraded"]) != "[customer]" {
		t.Errorf("degraded is %v, want customer", v["degraded"])
	}
	kittest.Eventually(t, "a word about the missing part", func() bool {
		for _, line := range p.Logs() {
			if line["part"] == "customer" && line["trace"] == trace && line["correlation"] == "c-1" && line["level"] == "WARN" {
				return true
			}
		}
		return false
	})
}

// form returns a schema of the gateway's document.
func form(t *testing.T, name string) *openapi3.Schema {
	t.Helper()
	schemas, err := os.ReadFile("../gateway/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(fmt.Appendf(nil,
		`{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "components": {"schemas": %s}}`, schemas))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Components.Schemas[name].Value
}

// TestStop finishes what is in flight when it is asked to end.
func TestStop(t *testing.T) {
	wait, asked := make(chan struct{}), make(chan struct{})
	p := start(t, shop(t, wait, asked))
	status := make(chan int, 1)
	go func() {
		got, _ := p.page(t)
		status <- got
	}()
	<-asked
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, "a closed port", func() bool {
		c, err := http.Get(p.URL + "/livez")
		if err == nil {
			c.Body.Close()
		}
		return err != nil
	})
	close(wait)
	if got := <-status; got != 200 {
		t.Errorf("got %d, want 200", got)
	}
	p.Stop(t)
}

// TestTelemetry sends the spans of a page to the receiver, under the trace of who asked, and stops soon
// where nobody takes them.
func TestTelemetry(t *testing.T) {
	spans, release := make(chan []byte, 100), make(chan struct{})
	var deaf atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := decoded(r)
		if deaf.Load() {
			<-release
		}
		if r.URL.Path == "/v1/traces" && body != nil {
			spans <- body
		}
	}))
	defer receiver.Close()
	defer close(release)
	env := maps.Clone(shop(t, nil, nil))
	env["OTEL_EXPORTER_OTLP_ENDPOINT"], env["OTEL_SERVICE_NAME"] = receiver.URL, "page-maker"
	p := start(t, env)
	p.page(t)
	id, err := hex.DecodeString(trace)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for want := []string{string(id), "GET /orders/{id}/page", "page-maker", "peer.service"}; ; {
		select {
		case more := <-spans:
			got = append(got, more...)
		case <-time.After(30 * time.Second):
			t.Fatalf("spans are %q", got)
		}
		missing := false
		for _, w := range want {
			missing = missing || !bytes.Contains(got, []byte(w))
		}
		if !missing {
			break
		}
	}
	deaf.Store(true)
	p.page(t)
	p.Stop(t)
}

func decoded(r *http.Request) []byte {
	body := io.Reader(r.Body)
	if strings.Contains(r.Header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	return b
}
