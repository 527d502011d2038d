package otlp

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tpb "go.opentelemetry.io/proto/otlp/trace/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"msctl.dev/msctl/internal/telemetry"
)

// handler is the whole HTTP side of a receiver, without its sockets.
func handler(t *testing.T, r *Receiver) http.Handler {
	t.Helper()
	s, err := r.server()
	if err != nil {
		t.Fatal(err)
	}
	return s.guard(s.routes())
}

func post(h http.Handler, path, kind, encoding string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "http://localhost"+path, bytes.NewReader(body))
	req.Header.Set("Content-Type", kind)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func oneSpan(t testing.TB, mend func(*tpb.Span)) []byte {
	t.Helper()
	sp := &tpb.Span{TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: bytes.Repeat([]byte{0xcd}, 8), Name: "op"}
	if mend != nil {
		mend(sp)
	}
	b, err := proto.Marshal(&tracepb.ExportTraceServiceRequest{ResourceSpans: []*tpb.ResourceSpans{{ScopeSpans: []*tpb.ScopeSpans{{Spans: []*tpb.Span{sp}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(b, nil)
}

// TestBodies: garbage, wrong types, bombs and deep nesting are refused with the right code (I1, I2).
func TestBodies(t *testing.T) {
	good := oneSpan(t, nil)
	bomb := gzipped(t, make([]byte, 64<<20))
	for _, c := range []struct {
		name, kind, encoding string
		body                 []byte
		want                 int
	}{
		{"protobuf", asProto, "", good, 200},
		{"empty", asProto, "", nil, 200},
		{"gzip", asProto, "gzip", gzipped(t, good), 200},
		{"zstd", asProto, "zstd", zstded(t, good), 200},
		{"json with charset", asJSON + "; charset=utf-8", "", []byte(`{}`), 200},
		{"no type", "", "", good, 415},
		{"text", "text/plain", "", good, 415},
		{"brotli", asProto, "br", good, 415},
		{"garbage", asProto, "", []byte("garbage"), 400},
		{"truncated", asProto, "", good[:len(good)-3], 400},
		{"not gzip", asProto, "gzip", good, 400},
		{"truncated gzip", asProto, "gzip", gzipped(t, good)[:20], 400},
		{"not zstd", asProto, "zstd", good, 400},
		{"not json", asJSON, "", []byte(`{"resourceSpans":`), 400},
		{"no hex id", asJSON, "", []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}`), 400},
		{"too large", asProto, "", make([]byte, 16<<20+1), 413},
		{"gzip bomb", asProto, "gzip", bomb, 413},
		{"zstd bomb", asProto, "zstd", zstded(t, make([]byte, 64<<20)), 413},
		{"deep json", asJSON, "", deepJSON(10_000), 400},
		{"json of millions", asJSON, "", []byte(`{"resourceSpans":[` + strings.Repeat("{},", 4<<20) + `{}]}`), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := &memory{}
			w := post(handler(t, &Receiver{Store: store, Metrics: store}), "/v1/traces", c.kind, c.encoding, c.body)
			if w.Code != c.want {
				t.Errorf("answered %d %q, want %d", w.Code, w.Body, c.want)
			}
			if w.Code != 200 && len(store.traces) > 0 {
				t.Error("refused and stored")
			}
		})
	}
}

func deepJSON(n int) []byte {
	value := strings.Repeat(`{"arrayValue":{"values":[`, n) + strings.Repeat(`]}}`, n)
	return []byte(`{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":` + value + `}]}}]}`)
}

// TestJSON: ids are hexadecimal, numbers may be text, names of attributes are left alone.
func TestJSON(t *testing.T) {
	store := &memory{}
	body := `{"resourceSpans":[{"scopeSpans":[{"unknown":1,"spans":[{
		"traceId" : "5B8EFFF798038103D269B633813FC60C", "spanId":"eee19b7ec3c1b174","parentSpanId":"",
		"name":"say \"traceId\": \"x\"","kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
		"attributes":[{"key":"traceId","value":{"stringValue":"free text"}},{"key":"n","value":{"intValue":"7"}}],
		"links":[{"traceId":"00112233445566778899aabbccddeeff","spanId":"0011223344556677"}]}]}]}]}`
	w := post(handler(t, &Receiver{Store: store}), "/v1/traces", asJSON, "", []byte(body))
	if w.Code != 200 || w.Body.String() != "{}" || w.Header().Get("Content-Type") != asJSON {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	sp := store.traces[0].ResourceSpans[0].ScopeSpans[0].Spans[0]
	want := &tpb.Span{
		TraceId: []byte{0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c},
		SpanId:  []byte{0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74},
		Name:    `say "traceId": "x"`, Kind: tpb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: 1544712660000000000, EndTimeUnixNano: 1544712661000000000,
		Attributes: []*commonpb.KeyValue{
			{Key: "traceId", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "free text"}}},
			{Key: "n", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 7}}},
		},
		Links: []*tpb.Span_Link{{TraceId: []byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}, SpanId: []byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77}}},
	}
	if !proto.Equal(want, sp) {
		t.Errorf("span arrived as %v, want %v", sp, want)
	}
}

// TestPartialSuccess: what a store rejects is said to the sender, in its own encoding.
func TestPartialSuccess(t *testing.T) {
	store := &memory{answer: telemetry.Result{Accepted: 1, Rejected: 3, Err: "span without an id"}}
	r := &Receiver{Store: store}
	h := handler(t, r)

	var got tracepb.ExportTraceServiceResponse
	if err := proto.Unmarshal(post(h, "/v1/traces", asProto, "", oneSpan(t, nil)).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if p := got.PartialSuccess; p.GetRejectedSpans() != 3 || p.GetErrorMessage() != "span without an id" {
		t.Errorf("answered %v", p)
	}
	w := post(h, "/v1/logs", asJSON, "", []byte("{}"))
	if want := `{"partialSuccess":{"errorMessage":"span without an id","rejectedLogRecords":"3"}}`; w.Body.String() != want {
		t.Errorf("answered %s, want %s", w.Body, want)
	}
	if got := r.Counts().Rejected; got != 6 {
		t.Errorf("%d rejected counted, want 6", got)
	}
}

// TestFull: a full store makes the sender wait and try again (I4).
func TestFull(t *testing.T) {
	r := &Receiver{Store: &memory{full: true}}
	w := post(handler(t, r), "/v1/traces", asProto, "", oneSpan(t, nil))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
		t.Errorf("answered %d, retry after %q", w.Code, w.Header().Get("Retry-After"))
	}
	var st spb.Status
	if err := proto.Unmarshal(w.Body.Bytes(), &st); err != nil || st.Message != telemetry.ErrFull.Error() {
		t.Errorf("answered status %v, %v", &st, err)
	}
	if got := r.Counts().Full; got != 1 {
		t.Errorf("%d counted as full, want 1", got)
	}
}

// TestGuard: pages of other sites and names that were pointed at loopback reach no route (J4, J5).
func TestGuard(t *testing.T) {
	r := &Receiver{Store: &memory{}, Hosts: []string{"host.docker.internal"}, Handler: http.NotFoundHandler()}
	h := handler(t, r)
	for _, c := range []struct {
		host, origin, site string
		want               int
	}{
		{"localhost:4318", "", "", 200}, {"127.0.0.1", "", "", 200}, {"[::1]:4318", "", "", 200}, {"LOCALHOST:1", "", "", 200},
		{"host.docker.internal:4318", "", "", 200},
		{"evil.example:4318", "", "", 421}, {"localhost.evil", "", "", 421}, {"127.0.0.1.nip.io:4318", "", "", 421}, {"localhost.:4318", "", "", 421}, {"", "", "", 421},
		{"localhost", "http://localhost:3000", "", 200}, {"localhost", "http://[::1]:3000", "", 200},
		{"localhost", "http://evil.example", "", 403}, {"localhost", "null", "", 403}, {"localhost", "file://", "", 403}, {"localhost", "http://localhost.evil", "", 403},
		{"localhost", "", "cross-site", 403}, {"localhost", "", "same-origin", 200},
	} {
		for _, path := range []string{"/", "/metrics", "/api/traces", "/v1/traces", "/nowhere"} {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.Host = c.host
			if c.origin != "" {
				req.Header.Set("Origin", c.origin)
			}
			req.Header.Set("Sec-Fetch-Site", c.site)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			want := c.want
			if want == 200 && path != "/" && path != "/metrics" {
				want = map[string]int{"/v1/traces": 405, "/api/traces": 404, "/nowhere": 404}[path]
			}
			if w.Code != want {
				t.Errorf("host %q origin %q site %q %s: %d, want %d", c.host, c.origin, c.site, path, w.Code, want)
			}
		}
	}
}

// TestPreflight: a frontend under development on this machine may send.
func TestPreflight(t *testing.T) {
	req := httptest.NewRequest(http.MethodOptions, "http://localhost/v1/traces", nil)
	req.Header.Set("Origin", "http://localhost:3000")
	req.Header.Set("Access-Control-Request-Method", "POST")
	req.Header.Set("Access-Control-Request-Headers", "content-type")
	w := httptest.NewRecorder()
	handler(t, &Receiver{Store: &memory{}}).ServeHTTP(w, req)
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "http://localhost:3000" || w.Header().Get("Access-Control-Allow-Headers") != "content-type" {
		t.Errorf("answered %d %v", w.Code, w.Header())
	}
}

// FuzzExport: whatever comes, the answer is a success or a refusal, never a panic (I1).
func FuzzExport(f *testing.F) {
	good := oneSpan(f, nil)
	f.Add(uint8(0), good)
	f.Add(uint8(1), gzipped(f, good))
	f.Add(uint8(2), []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00","spanId": "ab"}]}]}]}`))
	f.Add(uint8(2), deepJSON(200))
	f.Add(uint8(3), zstded(f, good))
	f.Fuzz(func(t *testing.T, how uint8, body []byte) {
		store := &memory{}
		kind, encoding := asProto, [...]string{"", "gzip", "", "zstd"}[how%4]
		if how%4 == 2 {
			kind = asJSON
		}
		w := post(handler(t, &Receiver{Store: store, Metrics: store, MaxBytes: 1 << 20}), signals[how/4%3].path, kind, encoding, body)
		switch w.Code {
		case 200, 400, 413:
		default:
			t.Errorf("answered %d %q", w.Code, w.Body)
		}
	})
}

// FuzzIDs: the text stays JSON, and without ids it stays as it is.
func FuzzIDs(f *testing.F) {
	f.Add(`{"traceId":"00ff","a":["spanId",{"spanId" : "0a"}],"b":"\"traceId\":\"zz\""}`)
	f.Fuzz(func(t *testing.T, text string) {
		out, _, err := base64IDs([]byte(text))
		if err != nil || !json.Valid([]byte(text)) {
			return
		}
		if !json.Valid(out) {
			t.Errorf("%q became %q", text, out)
		}
		if !strings.Contains(text, "Id\"") && !strings.Contains(text, "_id\"") && string(out) != text {
			t.Errorf("%q became %q", text, out)
		}
	})
}

func TestIndex(t *testing.T) {
	w := httptest.NewRecorder()
	handler(t, &Receiver{Store: &memory{}, Handler: http.NotFoundHandler()}).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/", nil))
	b, _ := io.ReadAll(w.Body)
	for _, word := range []string{"/v1/traces", "/metrics", "Jaeger"} {
		if !bytes.Contains(b, []byte(word)) {
			t.Errorf("index does not name %s:\n%s", word, b)
		}
	}
}

// TestFill: bodies are read whole, up to the limit and not a byte beyond it.
func TestFill(t *testing.T) {
	for _, c := range []struct {
		size, limit int
		want        error
	}{{0, 10, nil}, {10, 10, nil}, {11, 10, errLarge}, {100_000, 100_000, nil}, {100_001, 100_000, errLarge}} {
		b, err := fill(nil, strings.NewReader(strings.Repeat("x", c.size)), c.limit)
		if diff := cmp.Diff(c.want == nil, err == nil); diff != "" || err == nil && len(b) != c.size {
			t.Errorf("%d bytes of at most %d: read %d, %v", c.size, c.limit, len(b), err)
		}
	}
}

// TestLargeBodies: only a few large bodies are held at once; one more waits, and is then told to come back
// (I2).
func TestLargeBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Receiver{Store: &memory{}}
		s, err := r.server()
		if err != nil {
			t.Fatal(err)
		}
		h := s.guard(s.routes())
		for range maxLarge {
			s.large <- struct{}{}
		}
		large := oneSpan(t, func(sp *tpb.Span) { sp.Name = strings.Repeat("x", 2*smallBody) })
		if w := post(h, "/v1/traces", asProto, "", large); w.Code != http.StatusTooManyRequests {
			t.Errorf("answered %d, want 429", w.Code)
		}
		if w := post(h, "/v1/traces", asProto, "", oneSpan(t, nil)); w.Code != 200 {
			t.Errorf("small body: answered %d, want 200", w.Code)
		}
		<-s.large
		if w := post(h, "/v1/traces", asProto, "", large); w.Code != 200 {
			t.Errorf("with room again: answered %d, want 200", w.Code)
		}
		if n := len(s.large); n != maxLarge-1 {
			t.Errorf("%d places are held, want %d", n, maxLarge-1)
		}
	})
}

// TestMemory: fifty bombs at once take little more memory than two bodies (I2).
func TestMemory(t *testing.T) {
	store := &memory{}
	h := handler(t, &Receiver{Store: store})
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 100 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if w := post(h, "/v1/traces", asProto, "gzip", bomb.Bytes()); w.Code != 413 && w.Code != 429 {
				t.Errorf("answered %d", w.Code)
			}
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	grown := (int64(after.HeapSys) - int64(before.HeapSys)) >> 20
	t.Logf("heap grew by %d MiB", grown)
	if grown > 128 {
		t.Errorf("heap grew by %d MiB, want at most 128", grown)
	}
}
