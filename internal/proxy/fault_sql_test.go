package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"
)

// matching is a rule for what goes by a name.
func matching(what string, do Action) *rule {
	return &rule{Matcher: Matcher{Match: Match{Operation: what}}, do: do}
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code + " " + e.Message
	}
	if err != nil {
		return "lost"
	}
	return "ok"
}

// TestPostgresFaults checks what a client of a real server sees, over connections that were open before the fault.
func TestPostgresFaults(t *testing.T) {
	e, calls, url := behind(t, "postgres", "postgres", "postgres")
	ctx := t.Context()
	open := func(mode pgx.QueryExecMode) *pgx.Conn {
		cfg, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		cfg.DefaultQueryExecMode = mode
		c, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		return c
	}
	count := func(c *pgx.Conn) (n int) {
		if err := c.QueryRow(ctx, "select count(*) from orders").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	other := open(pgx.QueryExecModeSimpleProtocol)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		t.Run(mode.String(), func(t *testing.T) {
			e.SetFaults(nil)
			c := open(mode)
			c.Exec(ctx, "drop table if exists orders")
			c.Exec(ctx, "create table orders (id int)")
			insert := func(id int) string {
				_, err := c.Exec(ctx, "insert into orders values ($1)", id)
				return sqlState(err)
			}
			if got := insert(1); got != "ok" {
				t.Fatal(got)
			}
			refused := Reply{State: "40001", Text: "could not serialize access"}
			act(e, matching("insert*", Action{Reply: &refused}))
			for range 2 {
				if got := insert(2); got != "40001 could not serialize access" {
					t.Errorf("got %s", got)
				}
			}
			if n := count(c); n != 1 {
				t.Errorf("%d rows after a statement that was refused", n)
			}
			// In a transaction the server knows of the failure as well.
			tx, err := c.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got := insert(3); got != "40001 could not serialize access" {
				t.Errorf("in a transaction: got %s", got)
			}
			if _, err := tx.Exec(ctx, "select 1"); !strings.HasPrefix(sqlState(err), "25P02") {
				t.Errorf("after a failure: got %v", err)
			}
			if err := tx.Rollback(ctx); err != nil {
				t.Error(err)
			}
			// Held back, and every row of an answer.
			act(e, matching("select*", Action{Delay: 20 * time.Millisecond, DelayRow: 10 * time.Millisecond}))
			start := time.Now()
			rows, err := c.Query(ctx, "select * from generate_series(1, 5)")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := pgx.CollectRows(rows, pgx.RowTo[int]); err != nil || len(got) != 5 || time.Since(start) < 70*time.Millisecond {
				t.Errorf("got %v, %v after %v", got, err, time.Since(start))
			}
			// The commit arrives, its answer does not.
			act(e, matching("commit", Action{Omit: true}))
			tx, _ = c.Begin(ctx)
			if got := insert(4); got != "ok" {
				t.Error(got)
			}
			if err := tx.Commit(ctx); sqlState(err) != "lost" {
				t.Errorf("commit: %v", err)
			}
			if n := count(other); n != 2 {
				t.Errorf("%d rows after a commit whose answer is lost", n)
			}
			// It does not arrive.
			c = open(mode)
			act(e, matching("commit", Action{Reset: true}))
			tx, _ = c.Begin(ctx)
			if got := insert(5); got != "ok" {
				t.Error(got)
			}
			if err := tx.Commit(ctx); sqlState(err) != "lost" {
				t.Errorf("commit: %v", err)
			}
			if n := count(other); n != 2 {
				t.Errorf("%d rows after a commit that is lost", n)
			}
		})
	}
	failed := 0
	for _, c := range calls.wait(t, 40) {
		if c.Name == "INSERT orders" && strings.Contains(c.Err, "40001") {
			if failed++; !slices.Equal(c.Faults, []string{"rule"}) {
				t.Errorf("recorded %+v", c)
			}
		}
	}
	if failed != 9 {
		t.Errorf("%d failures are recorded", failed)
	}
}

// TestPostgresToggle changes faults while clients work: none of them gets out of step.
func TestPostgresToggle(t *testing.T) {
	e, _, url := behind(t, "postgres", "postgres", "postgres")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if i%2 == 0 {
				act(e, matching("select*$1::int", Action{Reply: &Reply{State: "57014"}}))
			} else {
				e.SetFaults(nil)
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	hit := 0
	for i := range 1500 {
		var n int
		err := c.QueryRow(t.Context(), "select 2 + $1::int", i).Scan(&n)
		switch {
		case err != nil && strings.HasPrefix(sqlState(err), "57014"):
			hit++
		case err != nil || n != i+2:
			t.Fatalf("query %d: got %d, %v", i, n, err)
		}
	}
	close(stop)
	<-done
	if hit == 0 {
		t.Error("no statement was hit")
	}
}

// TestRedisFaults checks what a client of a real server sees.
func TestRedisFaults(t *testing.T) {
	e, calls, url := behind(t, "redis", "redis", "redis-server")
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opts.MaxRetries = -1
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	ctx := t.Context()
	if err := c.Set(ctx, "a", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	readOnly := Action{Reply: &Reply{State: "READONLY", Text: "You can't write against a read only replica."}}
	act(e, matching("set", readOnly))
	for range 2 {
		if err := c.Set(ctx, "a", 2, 0).Err(); err == nil || err.Error() != "READONLY You can't write against a read only replica." {
			t.Errorf("got %v", err)
		}
	}
	if got, err := c.Get(ctx, "a").Result(); got != "1" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	// In a pipeline the others are as they were.
	pipe := c.Pipeline()
	one, two, three := pipe.Incr(ctx, "n"), pipe.Set(ctx, "a", strings.Repeat("x", 100_000), 0), pipe.Incr(ctx, "n")
	pipe.Exec(ctx)
	if one.Val() != 1 || two.Err() == nil || three.Val() != 2 {
		t.Errorf("got %v, %v, %v", one, two.Err(), three)
	}
	// A transaction is given up.
	_, err = c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Incr(ctx, "n")
		p.Set(ctx, "a", 3, 0)
		return nil
	})
	if n, _ := c.Get(ctx, "n").Int(); err == nil || n != 2 {
		t.Errorf("after a transaction: %v, %d", err, n)
	}
	act(e, matching("incr*", Action{Omit: true}))
	if err := c.Incr(ctx, "n").Err(); err == nil {
		t.Error("an answer that is lost came")
	}
	e.SetFaults(nil)
	if n, _ := c.Get(ctx, "n").Int(); n != 3 {
		t.Errorf("the effect is not there: %d", n)
	}
	act(e, matching("incr*", Action{Reset: true}))
	if err := c.Incr(ctx, "n").Err(); err == nil {
		t.Error("a command that is lost was answered")
	}
	e.SetFaults(nil)
	if n, _ := c.Get(ctx, "n").Int(); n != 3 {
		t.Errorf("the effect is there: %d", n)
	}
	failed := 0
	for _, c := range calls.wait(t, 12) {
		if c.Name == "SET" && strings.Contains(c.Err, "READONLY") && slices.Equal(c.Faults, []string{"rule"}) {
			failed++
		}
	}
	if failed < 3 {
		t.Errorf("%d failures are recorded", failed)
	}
}
