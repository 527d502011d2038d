package cache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/cache"
	"msctl.dev/msctl/services/kit/kittest"
)

// each runs the test on the embedded Redis and on a real one.
func each(t *testing.T, test func(t *testing.T, c *redis.Client)) {
	t.Run("embedded", func(t *testing.T) { test(t, open(t, kittest.Redis(t))) })
	t.Run("redis", func(t *testing.T) {
		need.Native(t, "redis-server")
		test(t, open(t, kittest.RedisServer(t, need.Program("redis-server"))))
	})
}

func open(t *testing.T, url string) *redis.Client {
	t.Helper()
	app := kittest.App(t, map[string]string{"CACHE_URL": url})
	c, err := cache.Open(app, "cache")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if bad := app.Ready(t.Context()); len(bad) > 0 {
		t.Fatalf("not ready: %v", bad)
	}
	return c
}

// once serves next under the request's key and a fingerprint.
func once(i cache.Idempotency, next http.HandlerFunc) http.Handler {
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return i.Serve(w, r, r.Header.Get("Idempotency-Key"), r.Header.Get("Fingerprint"), next)
	})
}

func ask(t *testing.T, h http.Handler, key, fingerprint string) *http.Response {
	t.Helper()
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("Fingerprint", fingerprint)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestSecondRequestGetsFirstAnswer(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		var calls atomic.Int32
		h := once(cache.Idempotency{Redis: c}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/things/1")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, "call %d", calls.Add(1))
		})
		for i, want := range []struct {
			key, fingerprint, body, replay string
			status                         int
		}{
			{"k", "a", "call 1", "", 201},
			{"k", "a", "call 1", "true", 201},
			{"other", "a", "call 2", "", 201},
			{"k", "b", "", "", 422},
		} {
			resp := ask(t, h, want.key, want.fingerprint)
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != want.status || resp.Header.Get(cache.ReplayHeader) != want.replay ||
				(want.body != "" && (string(body) != want.body || resp.Header.Get("Location") != "/things/1")) {
				t.Errorf("request %d: got %d %v %s, want %+v", i, resp.StatusCode, resp.Header, body, want)
			}
		}
	})
}

// TestConcurrentRequestIsRefused holds the first request while twenty of its kind come: each of
// them is told 409, and one alone is done.
func TestConcurrentRequestIsRefused(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		var calls atomic.Int32
		entered, finish := make(chan struct{}), make(chan struct{})
		h := once(cache.Idempotency{Redis: c}, func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) == 1 {
				close(entered)
			}
			<-finish
			w.WriteHeader(http.StatusCreated)
		})
		first := make(chan int, 1)
		go func() { first <- ask(t, h, "k", "").StatusCode }()
		<-entered
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if got, want := ask(t, h, "k", "").StatusCode, 409; got != want {
					t.Errorf("got %d, want %d", got, want)
				}
			})
		}
		wg.Wait()
		close(finish)
		if got, want := <-first, 201; got != want || calls.Load() != 1 {
			t.Errorf("got %d after %d calls, want %d after 1", got, calls.Load(), want)
		}
	})
}

// TestLostAnswer loses the answer by which a key is taken. The client sends the command again and is told that the key
// is there: the request is the one that has it, and is done. Where the second answer is lost too it is a 503, and
// whoever tries again need not wait.
func TestLostAnswer(t *testing.T) {
	for lost, want := range map[int][]int{1: {201, 201}, 2: {503, 201}} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			each(t, func(t *testing.T, c *redis.Client) {
				calls := 0
				lossy := open(t, kittest.Lossy(t, "redis://"+c.Options().Addr, "nx", lost))
				h := once(cache.Idempotency{Redis: lossy}, func(w http.ResponseWriter, _ *http.Request) {
					calls++
					w.WriteHeader(http.StatusCreated)
				})
				got := []int{ask(t, h, "k", "").StatusCode, ask(t, h, "k", "").StatusCode}
				if !slices.Equal(got, want) || calls != 1 {
					t.Errorf("got %v after %d calls, want %v after 1", got, calls, want)
				}
			})
		})
	}
}

func TestFailedAnswerIsNotKept(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		status := []int{503, 0, 200}
		h := once(cache.Idempotency{Redis: c}, func(w http.ResponseWriter, _ *http.Request) {
			s := status[0]
			if status = status[1:]; s == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(s)
		})
		if got := ask(t, h, "k", "").StatusCode; got != 503 {
			t.Errorf("got %d, want 503", got)
		}
		func() {
			defer func() { _ = recover() }()
			ask(t, h, "k", "")
		}()
		if got := ask(t, h, "k", "").StatusCode; got != 200 {
			t.Errorf("got %d, want 200", got)
		}
	})
}

// TestBrokenAnswer breaks an answer off in its middle: it is not given as a whole one. What the callee knows by
// itself is asked again, and nothing else is done twice.
func TestBrokenAnswer(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		calls := 0
		i := cache.Idempotency{Redis: c}
		h := kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			return i.Serve(w, r, r.Method, "", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/things/1")
				w.WriteHeader(http.StatusCreated)
				io.WriteString(w, "half")
				if calls++; calls == 1 {
					panic(http.ErrAbortHandler)
				}
				io.WriteString(w, " and half")
			}))
		})
		for method, want := range map[string]struct {
			calls, status int
			body          string
		}{"POST": {1, 502, `"code":"answer-lost"`}, "PUT": {2, 201, "half and half"}} {
			calls = 0
			func() {
				defer func() { _ = recover() }()
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/", nil))
			}()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
			if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) || w.Header().Get("Location") == "" || calls != want.calls {
				t.Errorf("%s: got %d %s after %d calls, want %+v", method, w.Code, w.Body, calls, want)
			}
		}
	})
}

// TestHoldEnds loses the process that works on a request: its key is free after Hold, and what the
// late one then stores does not replace the other's answer.
func TestHoldEnds(t *testing.T) {
	m := miniredis.RunT(t)
	c := open(t, "redis://"+m.Addr())
	var calls atomic.Int32
	entered, finish := make(chan struct{}), make(chan struct{})
	h := once(cache.Idempotency{Redis: c, Hold: time.Second}, func(w http.ResponseWriter, _ *http.Request) {
		n := calls.Add(1)
		if n == 1 {
			close(entered)
			<-finish
		}
		fmt.Fprint(w, n)
	})
	late := make(chan *http.Response, 1)
	go func() { late <- ask(t, h, "k", "") }()
	<-entered
	m.FastForward(2 * time.Second)
	second := ask(t, h, "k", "")
	close(finish)
	<-late
	third := ask(t, h, "k", "")
	for _, resp := range []*http.Response{second, third} {
		if body, _ := io.ReadAll(resp.Body); string(body) != "2" {
			t.Errorf("got %s, want 2", body)
		}
	}
}

func TestAnswerExpires(t *testing.T) {
	m := miniredis.RunT(t)
	var calls atomic.Int32
	h := once(cache.Idempotency{Redis: open(t, "redis://"+m.Addr()), TTL: time.Hour},
		func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	for range 2 {
		ask(t, h, "k", "")
		ask(t, h, "k", "")
		m.FastForward(2 * time.Hour)
	}
	if got := calls.Load(); got != 2 {
		t.Errorf("got %d calls, want 2", got)
	}
}

func TestWithoutRedisNothingIsDone(t *testing.T) {
	m := miniredis.RunT(t)
	c := open(t, "redis://"+m.Addr())
	m.Close()
	h := once(cache.Idempotency{Redis: c}, func(http.ResponseWriter, *http.Request) { t.Error("it was done") })
	if got, want := ask(t, h, "k", "").StatusCode, 503; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func TestLimiter(t *testing.T) {
	each(t, func(t *testing.T, c *redis.Client) {
		l := cache.NewLimiter(c, 1, 3)
		got, begin := map[string]int{}, time.Now()
		for range 5 {
			for _, client := range []string{"a", "b"} {
				w := httptest.NewRecorder()
				if err := l.Allow(t.Context(), w, client); err == nil {
					got[client]++
				} else if kit.AsProblem(err).Status != 429 || w.Header().Get("Retry-After") == "" {
					t.Errorf("got %v %v, want a 429 that says when", err, w.Header())
				}
			}
		}
		most := 4 + int(time.Since(begin).Seconds()) // what a slow machine takes longer for comes on top
		if got["a"] < 3 || got["a"] > most || got["b"] < 3 || got["b"] > most {
			t.Errorf("got %v let through, want 3 to %d of each", got, most)
		}
	})
}

func TestLimiterLetsAllThroughWithoutRedis(t *testing.T) {
	m := miniredis.RunT(t)
	l := cache.NewLimiter(open(t, "redis://"+m.Addr()), 1, 1)
	m.Close()
	for range 3 {
		if err := l.Allow(t.Context(), httptest.NewRecorder(), "a"); err != nil {
			t.Errorf("got %v, want none", err)
		}
	}
}
