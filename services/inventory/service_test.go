package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
	"msctl.dev/msctl/services/kit/kittest"
	"msctl.dev/msctl/services/kit/rpc"
	inventoryv1 "msctl.dev/msctl/services/proto/shop/inventory/v1"
)

// each runs the test with every database that this machine has.
func each(t *testing.T, test func(t *testing.T, env map[string]string)) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			env := map[string]string{"BROKER_URL": kittest.NATS(t), "LEGACY_URL": "http://127.0.0.1:1"}
			if kind == "sqlite" {
				env["INVENTORY_DB_URL"] = kittest.SQLite(t)
			} else {
				need.Native(t, "postgres")
				env["INVENTORY_DB_URL"] = kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
			}
			test(t, env)
		})
	}
}

// replica is one running inventory.
type replica struct {
	inventoryv1.InventoryServiceClient
	url    string
	health grpc_health_v1.HealthClient
}

// serve runs the whole service and connects to it.
func serve(t *testing.T, env map[string]string) replica {
	t.Helper()
	addr := make(chan string, 1)
	url := kittest.Start(t, func(ctx context.Context, app *kit.App) error {
		next := app.Listening
		app.Listening = func(name string, a net.Addr) {
			if next(name, a); name == "grpc" {
				addr <- a.String()
			}
		}
		return run(ctx, app)
	}, env)
	conn, err := rpc.Dial(kittest.App(t, map[string]string{"INVENTORY_GRPC_ADDR": <-addr}), "inventory")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return replica{inventoryv1.NewInventoryServiceClient(conn), url, grpc_health_v1.NewHealthClient(conn)}
}

// listen returns what is published of stock.
func listen(t *testing.T, env map[string]string) chan kit.Message {
	t.Helper()
	b, err := bus.Dial(t.Context(), kittest.App(t, env), "broker")
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan kit.Message, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.Consume(bus.Consumer{Queue: "test.events", Events: []string{"stock.*"}, Workers: 1,
			Handle: func(_ context.Context, m kit.Message) error { ch <- m; return nil }})(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done; b.Close() })
	return ch
}

func (r replica) receive(t *testing.T, receipt, item string, n int64) *inventoryv1.Level {
	t.Helper()
	out, err := r.Receive(t.Context(), &inventoryv1.ReceiveRequest{ReceiptId: receipt, ItemId: item, Quantity: n})
	if err != nil {
		t.Fatalf("receive %s: %v", receipt, err)
	}
	return out.GetLevel()
}

// want asks for a hold: lines are "item", 2, "other", 1.
func want(order string, lines ...any) *inventoryv1.ReserveRequest {
	in := &inventoryv1.ReserveRequest{OrderId: order}
	for i := 0; i < len(lines); i += 2 {
		in.Lines = append(in.Lines,
			&inventoryv1.Line{ItemId: lines[i].(string), Quantity: int64(lines[i+1].(int))})
	}
	return in
}

// level is one item's as REST tells it.
func (r replica) level(t *testing.T, item string) Level {
	t.Helper()
	var out struct{ Levels []Level }
	if status := kittest.Call(t, "GET", r.url+"/stock?ids="+item, nil, &out); status != 200 || len(out.Levels) != 1 {
		t.Fatalf("stock of %s: %d %v", item, status, out.Levels)
	}
	return out.Levels[0]
}

func refused(t *testing.T, err error, code codes.Code, want string) map[string]string {
	t.Helper()
	reason, meta := rpc.Reason(err)
	if status.Code(err) != code || reason != want {
		t.Errorf("got %v (reason %q), want %v %s", err, reason, code, want)
	}
	return meta
}

func is(t *testing.T, err error, r *inventoryv1.Reservation, want inventoryv1.ReservationState) {
	t.Helper()
	if err != nil || r.GetState() != want {
		t.Errorf("got %v, %v; want %v", r.GetState(), err, want)
	}
}

const (
	held     = inventoryv1.ReservationState_RESERVATION_STATE_HELD
	bought   = inventoryv1.ReservationState_RESERVATION_STATE_SOLD
	released = inventoryv1.ReservationState_RESERVATION_STATE_RELEASED
	expired  = inventoryv1.ReservationState_RESERVATION_STATE_EXPIRED
)

// TestOrderLives takes an order from its reservation to its return. Every call is made twice: the
// second changes nothing and answers what the first did. Each change is told once.
func TestOrderLives(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		r, events, ctx := serve(t, env), listen(t, env), t.Context()
		for range 2 {
			if l := r.receive(t, "r1", "mug", 10); l.GetAvailable() != 10 || l.GetVersion() != 1 {
				t.Errorf("receive: %v", l)
			}
			r.receive(t, "r2", "tea", 5)
		}
		for range 2 {
			out, err := r.Reserve(ctx, want("o1", "tea", 1, "mug", 3))
			is(t, err, out.GetReservation(), held)
			if at := out.GetReservation().GetExpiresAt().AsTime(); time.Until(at) > holdUsual || time.Until(at) < holdUsual/2 {
				t.Errorf("held until %v", at)
			}
		}
		if got, want := r.level(t, "mug"), (Level{"mug", 7, 3, 0, 10, 2}); got != want {
			t.Errorf("reserved: got %v, want %v", got, want)
		}
		for range 2 {
			out, err := r.Commit(ctx, &inventoryv1.CommitRequest{OrderId: "o1"})
			is(t, err, out.GetReservation(), bought)
		}
		if got, want := r.level(t, "mug"), (Level{"mug", 7, 0, 3, 10, 3}); got != want {
			t.Errorf("sold: got %v, want %v", got, want)
		}
		out, err := r.Reserve(ctx, want("o1", "mug", 3, "tea", 1))
		is(t, err, out.GetReservation(), bought)
		for range 2 {
			out, err := r.Release(ctx, &inventoryv1.ReleaseRequest{OrderId: "o1"})
			is(t, err, out.GetReservation(), released)
		}
		if got, want := r.level(t, "mug"), (Level{"mug", 10, 0, 0, 10, 4}); got != want {
			t.Errorf("released: got %v, want %v", got, want)
		}
		_, err = r.Commit(ctx, &inventoryv1.CommitRequest{OrderId: "o1"})
		refused(t, err, codes.FailedPrecondition, "RELEASED")
		kittest.Eventually(t, "eight events", func() bool { return len(events) >= 8 })
		told := map[string]int64{}
		for range 8 {
			var l Level
			if err := (<-events).Decode(&l); err != nil || l.Version != told[l.Item]+1 || l.Available+l.Reserved+l.Sold != l.Received {
				t.Errorf("event %v, %v; version %d was before it", l, err, told[l.Item])
			}
			told[l.Item] = l.Version
		}
		if !maps.Equal(told, map[string]int64{"mug": 4, "tea": 4}) {
			t.Errorf("told %v", told)
		}
	})
}

// TestAllOrNothing asks for what is not there: nothing is held, and the reason says what is missing.
func TestAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		r, ctx := serve(t, env), t.Context()
		r.receive(t, "r1", "mug", 10)
		r.receive(t, "r2", "tea", 1)
		_, err := r.Reserve(ctx, want("o1", "mug", 2, "tea", 3))
		meta := refused(t, err, codes.FailedPrecondition, "OUT_OF_STOCK")
		if !maps.Equal(meta, map[string]string{"item_id": "tea", "wanted": "3", "available": "1"}) {
			t.Errorf("out of stock: %v", meta)
		}
		_, err = r.Reserve(ctx, want("o1", "mug", 2, "ufo", 1))
		if meta := refused(t, err, codes.FailedPrecondition, "UNKNOWN_ITEM"); meta["item_id"] != "ufo" {
			t.Errorf("unknown item: %v", meta)
		}
		if got, want := r.level(t, "mug"), (Level{"mug", 10, 0, 0, 10, 1}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		_, err = r.Commit(ctx, &inventoryv1.CommitRequest{OrderId: "o1"})
		refused(t, err, codes.FailedPrecondition, "UNKNOWN_ORDER")
		out, err := r.Reserve(ctx, want("o1", "mug", 2)) // what was refused left nothing behind
		is(t, err, out.GetReservation(), held)
		_, err = r.Reserve(ctx, want("o1", "mug", 3))
		refused(t, err, codes.AlreadyExists, "OTHER_LINES")
		_, err = r.Receive(ctx, &inventoryv1.ReceiveRequest{ReceiptId: "r1", ItemId: "mug", Quantity: 11})
		refused(t, err, codes.AlreadyExists, "OTHER_RECEIPT")
	})
}

// TestLateReserve releases an order before its reservation comes, as when a caller gave up on a call
// that was still on its way.
func TestLateReserve(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		r, ctx := serve(t, env), t.Context()
		r.receive(t, "r1", "mug", 10)
		out, err := r.Release(ctx, &inventoryv1.ReleaseRequest{OrderId: "o1"})
		is(t, err, out.GetReservation(), released)
		_, err = r.Reserve(ctx, want("o1", "mug", 1))
		refused(t, err, codes.FailedPrecondition, "RELEASED")
		if got, want := r.level(t, "mug"), (Level{"mug", 10, 0, 0, 10, 1}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestHoldExpires lets a hold run out: the worker gives the stock back, and says why a commit comes
// too late. One that is not due stays.
func TestHoldExpires(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		r, ctx := serve(t, env), t.Context()
		r.receive(t, "r1", "mug", 10)
		short := want("o1", "mug", 4)
		short.Hold = durationpb.New(time.Millisecond)
		for _, in := range []*inventoryv1.ReserveRequest{want("o2", "mug", 1), short} {
			if _, err := r.Reserve(ctx, in); err != nil {
				t.Fatal(err)
			}
		}
		kittest.Eventually(t, "the expiry", func() bool { return r.level(t, "mug").Reserved == 1 })
		if got, want := r.level(t, "mug"), (Level{"mug", 9, 1, 0, 10, 4}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		_, err := r.Commit(ctx, &inventoryv1.CommitRequest{OrderId: "o1"})
		refused(t, err, codes.FailedPrecondition, "EXPIRED")
		again, err := r.Reserve(ctx, short)
		is(t, err, again.GetReservation(), expired)
		out, err := r.Release(ctx, &inventoryv1.ReleaseRequest{OrderId: "o1"})
		is(t, err, out.GetReservation(), released)
		if got, want := r.level(t, "mug"), (Level{"mug", 9, 1, 0, 10, 4}); got != want {
			t.Errorf("released: got %v, want %v", got, want)
		}
	})
}

func TestInputIsRefused(t *testing.T) {
	env := map[string]string{"BROKER_URL": kittest.NATS(t), "INVENTORY_DB_URL": kittest.SQLite(t),
		"LEGACY_URL": "http://127.0.0.1:1"}
	r, ctx := serve(t, env), t.Context()
	r.receive(t, "r1", "mug", 10)
	long := want("o1", "mug", 1)
	long.Hold = durationpb.New(2 * time.Hour)
	many := want("o1")
	for i := range linesMost + 1 {
		many.Lines = append(many.Lines, &inventoryv1.Line{ItemId: fmt.Sprintf("i%d", i), Quantity: 1})
	}
	for _, in := range []*inventoryv1.ReserveRequest{
		want("", "mug", 1), want("../o", "mug", 1), want("o1"), want("o1", "mug", 0), want("o1", "mug", -1),
		want("o1", "mug", 1, "tea", 1, "mug", 1), want("o1", "", 1), want("o1", "mug", reserveMost+1), long, many,
	} {
		if _, err := r.Reserve(ctx, in); status.Code(err) != codes.InvalidArgument {
			t.Errorf("reserve %v: %v, want InvalidArgument", in, err)
		}
	}
	for _, in := range []*inventoryv1.ReceiveRequest{
		{ItemId: "mug", Quantity: 1}, {ReceiptId: "r", Quantity: 1}, {ReceiptId: "r", ItemId: "mug"},
		{ReceiptId: "r", ItemId: "mug", Quantity: -5},
	} {
		if _, err := r.Receive(ctx, in); status.Code(err) != codes.InvalidArgument {
			t.Errorf("receive %v: %v, want InvalidArgument", in, err)
		}
	}
	_, err := r.Release(ctx, &inventoryv1.ReleaseRequest{})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("release: %v, want InvalidArgument", err)
	}
	_, err = r.Stock(ctx, &inventoryv1.StockRequest{Limit: pageMost + 1})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("stock: %v, want InvalidArgument", err)
	}
	for path, want := range map[string]int{
		"/stock/ufo": 404, "/stock?ids=a/b": 400, "/stock?limit=0": 400, "/stock?ids=mug,ufo": 200,
		"/stock?ids=" + strings.Repeat("a,", idsMost+1): 400, "/stock?limit=1": 200,
	} {
		if got := kittest.Call(t, "GET", r.url+path, nil, nil); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
}

// TestStockIsListed reads all levels page by page, in the order of their ids.
func TestStockIsListed(t *testing.T) {
	each(t, func(t *testing.T, env map[string]string) {
		r, ctx := serve(t, env), t.Context()
		for _, item := range []string{"c", "a", "d", "b"} {
			r.receive(t, "r-"+item, item, 1)
		}
		for _, c := range []struct {
			in   *inventoryv1.StockRequest
			want string
		}{
			{&inventoryv1.StockRequest{}, "abcd"},
			{&inventoryv1.StockRequest{After: "a", Limit: 2}, "bc"},
			{&inventoryv1.StockRequest{ItemIds: []string{"d", "x", "a"}}, "ad"},
		} {
			out, err := r.Stock(ctx, c.in)
			got := ""
			for _, l := range out.GetLevels() {
				got += l.GetItemId()
			}
			if err != nil || got != c.want {
				t.Errorf("%v: got %q, %v; want %q", c.in, got, err, c.want)
			}
		}
		state, err := r.health.Check(ctx,
			&grpc_health_v1.HealthCheckRequest{Service: "shop.inventory.v1.InventoryService"})
		if err != nil || state.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("health: %v, %v", state, err)
		}
	})
}

// depot is a warehouse that answers what the test says.
func depot(t *testing.T, answer http.HandlerFunc) map[string]string {
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	return map[string]string{"BROKER_URL": kittest.NATS(t), "INVENTORY_DB_URL": kittest.SQLite(t),
		"LEGACY_URL": srv.URL, "WAREHOUSE_TIMEOUT": "1m"}
}

// restock is what GET /stock/{id} says of deliveries.
func (r replica) restock(t *testing.T, item string) (restock string, degraded string) {
	resp, err := http.Get(r.url + "/stock/" + item)
	if err != nil {
		t.Error(err)
		return "", ""
	}
	defer resp.Body.Close()
	var out struct {
		Available int64
		Restock   json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != 200 || out.Available != 10 {
		t.Errorf("stock of %s: %d %v, %v", item, resp.StatusCode, out, err)
	}
	return string(out.Restock), resp.Header.Get("X-Degraded")
}
