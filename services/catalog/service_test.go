package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/kittest"
)

// each runs the test with every database that this machine has.
func each(t *testing.T, test func(t *testing.T, env map[string]string)) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			env := map[string]string{"BROKER_URL": kittest.NATS(t), "CACHE_URL": kittest.Redis(t),
				"CACHE_TIMEOUT": "1m"}
			if kind == "sqlite" {
				env["CATALOG_DB_URL"] = kittest.SQLite(t)
			} else {
				need.Native(t, "postgres")
				env["CATALOG_DB_URL"] = kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
			}
			test(t, env)
		})
	}
}

// broker connects to the broker of env, and returns what is told of items.
func broker(t *testing.T, env map[string]string) (*bus.Bus, chan kit.Message) {
	t.Helper()
	b, err := bus.Dial(t.Context(), kittest.App(t, env), "broker")
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan kit.Message, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(bus.Consumer{Queue: "test.events", Events: []string{"item.*"}, Workers: 1,
			Handle: func(_ context.Context, m kit.Message) error { ch <- m; return nil }})(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done; b.Close() })
	return b, ch
}

// restocked publishes what inventory would.
func restocked(t *testing.T, b *bus.Bus, body string) {
	t.Helper()
	m, err := kit.NewEvent(t.Context(), stockChanged, json.RawMessage(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// do calls and returns the answer's status, body and Cache-Status.
func do(t *testing.T, method, url, body string) (status int, answer, from string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(out)), resp.Header.Get("Cache-Status")
}

// expect calls and compares the answer.
func expect(t *testing.T, method, url, body string, status int, answer string) {
	t.Helper()
	if got, text, _ := do(t, method, url, body); got != status || text != answer {
		t.Errorf("%s %s: got %d %s, want %d %s", method, url, got, text, status, answer)
	}
}

const (
	mugIn = `{"name": "Mug", "description": "holds tea", "price": {"amount": 1999, "currency": "EUR"}}`
	mug1  = `{"id":"mug","name":"Mug","description":"holds tea","price":{"amount":1999,"currency":"EUR"},"version":1,"available":null}`
	tea1  = `{"id":"tea","name":"Tea","description":"","price":{"amount":450,"currency":"EUR"},"version":1,"available":null}`
)

// TestItemLives makes, reads and changes an item. The cache never keeps what was before, the same
// content again is no change, and each change is told.
func TestItemLives(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		url := kittest.Start(t, run, env)
		_, events := broker(t, env)
		expect(t, "GET", url+"/items?ids=mug", "", 200, `{"items":[],"missing":["mug"]}`)
		expect(t, "PUT", url+"/items/mug", mugIn, 201, mug1)
		expect(t, "PUT", url+"/items/mug", mugIn, 200, mug1)
		for range 2 {
			expect(t, "GET", url+"/items/mug", "", 200, mug1)
		}
		mug2 := strings.NewReplacer("1999", "2100", `"version":1`, `"version":2`).Replace(mug1)
		expect(t, "PUT", url+"/items/mug", strings.Replace(mugIn, "1999", "2100", 1), 200, mug2)
		expect(t, "GET", url+"/items/mug", "", 200, mug2)
		expect(t, "PUT", url+"/items/tea", `{"name": "Tea", "price": {"amount": 450}}`, 201, tea1)
		expect(t, "GET", url+"/items?ids=tea,ufo,mug,tea", "", 200, `{"items":[`+tea1+`,`+mug2+`],"missing":["ufo"]}`)
		expect(t, "GET", url+"/items", "", 200, `{"items":[`+mug2+`,`+tea1+`]}`)
		expect(t, "GET", url+"/items?after=mug&limit=1", "", 200, `{"items":[`+tea1+`]}`)
		for _, want := range []string{mug1, mug2, tea1} {
			want = strings.Replace(want, `,"available":null`, "", 1)
			if m := <-events; m.Key != itemUpdated || string(m.Body) != want {
				t.Errorf("got %s %s, want %s", m.Key, m.Body, want)
			}
		}
	})
}

// TestStockArrives hears of stock: readers see the newest that was told, also one who has read the
// item before, and whatever came late or twice.
func TestStockArrives(t *testing.T) {
	each(t, testStock)
	t.Run("rabbitmq", func(t *testing.T) {
		need.Native(t, "rabbitmq-server")
		need.Native(t, "epmd")
		env := local(t)
		env["BROKER_URL"] = kittest.RabbitMQ(t, need.Program("rabbitmq-server"), need.Program("epmd"))
		testStock(t, env)
	})
}

func testStock(t *testing.T, env map[string]string) {
	url := kittest.Start(t, run, env)
	kittest.Eventually(t, "the queue", func() bool {
		status, _, _ := do(t, "GET", url+"/readyz", "")
		return status == 200
	})
	b, _ := broker(t, env)
	restocked(t, b, `{"item_id":"mug","available":9,"reserved":0,"sold":0,"received":9,"version":1}`)
	do(t, "PUT", url+"/items/mug", mugIn)
	sees := func(n string) func() bool {
		return func() bool {
			_, text, _ := do(t, "GET", url+"/items/mug", "")
			return strings.HasSuffix(text, `"available":`+n+`}`)
		}
	}
	kittest.Eventually(t, "stock told before the item", sees("9"))
	for _, body := range []string{
		`{"item_id":"mug","available":4,"reserved":5,"sold":0,"received":9,"version":7}`,
		`{"item_id":"mug","available":6,"reserved":3,"sold":0,"received":9,"version":5}`,
		`{"item_id":"mug","available":4,"reserved":5,"sold":0,"received":9,"version":7}`,
		`{"item_id":"end","available":1,"reserved":0,"sold":0,"received":1,"version":1}`,
	} {
		restocked(t, b, body)
	}
	do(t, "PUT", url+"/items/end", mugIn)
	kittest.Eventually(t, "the last event", func() bool {
		_, text, _ := do(t, "GET", url+"/items/end", "")
		return strings.HasSuffix(text, `"available":1}`)
	})
	kittest.Eventually(t, "the newest stock", sees("4"))
}

// TestRedisAway loses Redis: catalog is ready, reads and writes. When Redis is back, as it was, what
// changed meanwhile is dropped from it.
func TestRedisAway(t *testing.T) {
	redis := miniredis.RunT(t)
	env := map[string]string{"BROKER_URL": kittest.NATS(t), "CACHE_URL": "redis://" + redis.Addr() + "/0",
		"CATALOG_DB_URL": kittest.SQLite(t), "CACHE_KEPT": "1h", "CACHE_FRESH": "1h"}
	url := kittest.Start(t, run, env)
	expect(t, "PUT", url+"/items/mug", mugIn, 201, mug1)
	hit := func() bool { _, _, from := do(t, "GET", url+"/items/mug", ""); return from == "catalog; hit" }
	kittest.Eventually(t, "a hit", hit)
	redis.Close()
	mug2 := strings.NewReplacer("Mug", "Cup", `"version":1`, `"version":2`).Replace(mug1)
	expect(t, "PUT", url+"/items/mug", strings.Replace(mugIn, "Mug", "Cup", 1), 200, mug2)
	for range 20 {
		expect(t, "GET", url+"/items/mug", "", 200, mug2)
		expect(t, "GET", url+"/items?ids=mug,ufo", "", 200, `{"items":[`+mug2+`],"missing":["ufo"]}`)
	}
	expect(t, "GET", url+"/readyz", "", 200, `"ready"`)
	if _, _, from := do(t, "GET", url+"/items/mug", ""); from != "catalog; fwd=bypass" {
		t.Errorf("got %s without Redis", from)
	}
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, "the change, from the cache", func() bool {
		_, text, _ := do(t, "GET", url+"/items/mug", "")
		return hit() && text == mug2
	})
}

// TestRedisHangs has one that takes connections and says nothing: after a few it is left alone, and
// nobody waits for it.
func TestRedisHangs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var calls atomic.Int64
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			defer c.Close()
		}
	}()
	env := map[string]string{"BROKER_URL": kittest.NATS(t), "CACHE_URL": "redis://" + ln.Addr().String() + "/0",
		"CATALOG_DB_URL": kittest.SQLite(t), "CACHE_TIMEOUT": "50ms"}
	url := kittest.Start(t, run, env)
	expect(t, "PUT", url+"/items/mug", mugIn, 201, mug1)
	start := time.Now()
	for range 100 {
		expect(t, "GET", url+"/items/mug", "", 200, mug1)
	}
	// One command each second, and the five that open the circuit; each may dial twice.
	if most := 20 + 2*int64(time.Since(start)/time.Second); calls.Load() > most {
		t.Errorf("100 reads called Redis %d times, want at most %d", calls.Load(), most)
	}
}

func TestInputIsRefused(t *testing.T) {
	env := map[string]string{"BROKER_URL": kittest.NATS(t), "CACHE_URL": kittest.Redis(t),
		"CATALOG_DB_URL": kittest.SQLite(t)}
	url := kittest.Start(t, run, env)
	long := strings.Repeat("x", 4001)
	for body, want := range map[string]struct {
		status int
		field  string
	}{
		`{`: {400, ""},
		`{"name": "A", "price": {"amount": 1}, "available": 3}`: {400, "available"},
		`{}`:                                                       {422, `"name"`},
		`{"name": " ", "price": {"amount": 1}}`:                    {422, `"name"`},
		`{"name": "A"}`:                                            {422, `"price.amount"`},
		`{"name": "A", "price": {"amount": -1}}`:                   {422, `"price.amount"`},
		`{"name": "A", "price": {"amount": 1.5}}`:                  {400, "amount"},
		`{"name": "A", "price": {"amount": 100000001}}`:            {422, `"price.amount"`},
		`{"name": "A", "price": {"amount": 1, "currency": "USD"}}`: {422, `"price.currency"`},
		`{"name": "A", "price": {"amount": 1}, "description": "` + long + `"}`: {422, `"description"`},
	} {
		status, answer, _ := do(t, "PUT", url+"/items/mug", body)
		if status != want.status || !strings.Contains(answer, want.field) {
			t.Errorf("%.80s: got %d %s, want %d that names %s", body, status, answer, want.status, want.field)
		}
	}
	many := ""
	for i := range idsMost + 1 {
		many += "i" + string(rune('0'+i%10)) + strings.Repeat("x", i/10) + ","
	}
	for path, want := range map[string]int{
		"/items/ufo": 404, "/items/a%2Fb": 400, "/items?ids=a/b": 400, "/items?limit=0": 400, "/items?limit=201": 400,
		"/items?ids=": 200, "/items?ids=" + many: 400,
	} {
		if status, body, _ := do(t, "GET", url+path, ""); status != want {
			t.Errorf("%.80s: got %d %s, want %d", path, status, body, want)
		}
	}
}
