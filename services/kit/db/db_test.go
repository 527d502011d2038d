package db_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
	"msctl.dev/msctl/services/kit/kittest"
)

var schema = fstest.MapFS{
	"migrations/00001_things.sql": {Data: []byte(`-- +goose Up
CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT NOT NULL, ok BOOLEAN NOT NULL, at TIMESTAMP NOT NULL);`)},
}

// each runs the test on every database that this machine has.
func each(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, kittest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, postgres(t)) })
}

func postgres(t *testing.T) string {
	need.Native(t, "postgres")
	return kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
}

func open(t *testing.T, url string) *db.DB {
	t.Helper()
	d, err := tryOpen(t, url, schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func tryOpen(t *testing.T, url string, files fs.FS) (*db.DB, error) {
	return db.Open(t.Context(), kittest.App(t, map[string]string{"THINGS_DB_URL": url}), "things-db", files)
}

// TestReplicasMigrateTogether opens one database eight times at once.
func TestReplicasMigrateTogether(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				d, err := tryOpen(t, url, schema)
				if err != nil {
					t.Error(err)
					return
				}
				d.Close()
			})
		}
		wg.Wait()
	})
}

func TestSameSQLOnBoth(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		d := open(t, url)
		ctx := t.Context()
		at := time.Now().UTC().Truncate(time.Microsecond)
		for _, want := range []bool{false, true} {
			_, err := d.ExecContext(ctx, `INSERT INTO things (id, n, ok, at) VALUES ($1, $2, $3, $4)`, "a", 1, true, at)
			if got := db.Duplicate(err); got != want || (err != nil && !want) {
				t.Errorf("insert: %v, duplicate %v, want %v", err, got, want)
			}
		}
		var n int64
		var ok bool
		var got time.Time
		err := d.QueryRowContext(ctx, `UPDATE things SET n = n + $2 WHERE id = $1 AND at <= $3 RETURNING n, ok, at`,
			"a", 41, at).Scan(&n, &ok, &got)
		if err != nil || n != 42 || !ok || !got.Equal(at) {
			t.Errorf("got %d %v %v, %v; want 42 true %v", n, ok, got, err, at)
		}
	})
}

// TestCollect reads some rows of many, and tells what a query or a scan complains of.
func TestCollect(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		d := open(t, url)
		for _, id := range []string{"a", "b", "c"} {
			n, err := db.Changed(d.Exec(`INSERT INTO things (id, n, ok, at) VALUES ($1, 0, TRUE, '2026-01-01')`, id))
			if n != 1 || err != nil {
				t.Fatalf("changed %d rows, %v", n, err)
			}
		}
		ids := db.Collect(func(row db.Row) (id string, err error) { return id, row.Scan(&id) })
		places, args := db.In([]string{"c", "a", "x"})
		got, err := ids(d.Query(`SELECT id FROM things WHERE id IN `+places+` ORDER BY id`, args...))
		if err != nil || !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("got %v, %v; want a and c", got, err)
		}
		if got, err := ids(d.Query(`SELECT id FROM things WHERE id = 'x'`)); got == nil || len(got) > 0 || err != nil {
			t.Errorf("got %#v, %v; want an empty list", got, err)
		}
		for _, query := range []string{`SELECT nothing FROM things`, `SELECT id, n FROM things`} {
			if got, err := ids(d.Query(query)); err == nil {
				t.Errorf("%s: got %v", query, got)
			}
		}
	})
}

// TestWritersWait writes from many goroutines of two processes' worth of connections: none is
// turned away, none is lost.
func TestWritersWait(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		dbs := []*db.DB{open(t, url), open(t, url)}
		if _, err := dbs[0].Exec(`INSERT INTO things (id, n, ok, at) VALUES ('a', 0, TRUE, '2026-01-01')`); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				err := dbs[i%2].Tx(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(`UPDATE things SET n = n + 1 WHERE id = 'a'`)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var n int
		if err := dbs[0].QueryRow(`SELECT n FROM things`).Scan(&n); err != nil || n != 40 {
			t.Errorf("got %d, %v; want 40", n, err)
		}
	})
}

// TestSchemasAreApart opens one database for two services whose tables have the same names.
func TestSchemasAreApart(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		app := kittest.App(t, map[string]string{"THINGS_DB_URL": url})
		for i, name := range []string{"", "one", "two"} {
			d, err := db.OpenWith(t.Context(), app, "things-db", db.Options{Schema: name, Migrations: schema})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			_, err = d.Exec(`INSERT INTO things (id, n, ok, at) VALUES ('a', $1, TRUE, '2026-01-01')`, i)
			if err != nil {
				t.Errorf("schema %q: %v", name, err)
			}
		}
	})
}

// broker is a publisher that can be down, and keeps what it got.
type broker struct {
	mu      sync.Mutex
	down    bool
	got     []kit.Message
	arrived func() error // called after a message arrived, before it is acknowledged
}

func (b *broker) Publish(_ context.Context, ms ...kit.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errors.New("broker is down")
	}
	b.got = append(b.got, ms...)
	if b.arrived != nil {
		return b.arrived()
	}
	return nil
}

func (b *broker) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, m := range b.got {
		out = append(out, m.Key)
	}
	return out
}

func (b *broker) set(down bool) { b.mu.Lock(); b.down = down; b.mu.Unlock() }

// add writes a row and its event in one transaction; it may fail behind both.
func add(t *testing.T, d *db.DB, key string, fail error) error {
	return d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO things (id, n, ok, at) VALUES ($1, 0, TRUE, '2026-01-01')`, key)
		if err != nil {
			return err
		}
		m, err := kit.NewEvent(t.Context(), key, "body")
		if err != nil {
			return err
		}
		return errors.Join(tx.Publish(t.Context(), m), fail)
	})
}

// relay runs a relay until the returned function is called.
func relay(t *testing.T, d *db.DB, b *broker) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Relay(b)(ctx) }()
	return sync.OnceFunc(func() { cancel(); <-done })
}

// TestOutboxPublishesWhatCommits shows that an event leaves if and only if its transaction commits.
func TestOutboxPublishesWhatCommits(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		d, b := open(t, url), &broker{}
		defer relay(t, d, b)()
		if err := add(t, d, "no", errors.New("changed my mind")); err == nil {
			t.Error("the transaction committed")
		}
		if err := add(t, d, "yes", nil); err != nil {
			t.Error(err)
		}
		kittest.Eventually(t, "the event", func() bool { return slices.Equal(b.keys(), []string{"yes"}) })
	})
}

// TestOutboxSurvivesCrash commits while the broker is down and no relay runs, as after a crash
// between commit and publish. A new process publishes all of it, in order.
func TestOutboxSurvivesCrash(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		b := &broker{down: true}
		d := open(t, url)
		stop := relay(t, d, b)
		var want []string
		for i := range 150 {
			key := fmt.Sprintf("e%03d", i)
			if want = append(want, key); add(t, d, key, nil) != nil {
				t.Fatal("transaction failed")
			}
		}
		stop()
		d.Close()
		if got := b.keys(); len(got) > 0 {
			t.Fatalf("a broker that is down got %v", got)
		}
		b.set(false)
		defer relay(t, open(t, url), b)()
		kittest.Eventually(t, "all events", func() bool { return len(b.keys()) >= len(want) })
		if got := b.keys(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestOutboxCrashBehindPublish dies between the broker's having a message and the note of it: the
// message comes twice, with one id.
func TestOutboxCrashBehindPublish(t *testing.T) {
	d, b := open(t, kittest.SQLite(t)), &broker{}
	b.arrived = func() error { b.arrived = nil; return errors.New("died") }
	if err := add(t, d, "e", nil); err != nil {
		t.Fatal(err)
	}
	defer relay(t, d, b)()
	kittest.Eventually(t, "two copies", func() bool { return len(b.keys()) == 2 })
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.got[0].ID != b.got[1].ID {
		t.Errorf("ids %s and %s differ", b.got[0].ID, b.got[1].ID)
	}
}

// TestRelayEndsBesideAHangingDatabase stops a relay that cannot note what it has published: it does not wait for that,
// and who comes after it publishes it again.
func TestRelayEndsBesideAHangingDatabase(t *testing.T) {
	server := postgres(t)
	open(t, server)
	at, still := kittest.Still(t, server)
	d, b, sent := open(t, at), &broker{}, make(chan struct{})
	b.arrived = func() error { b.arrived = nil; still(true); close(sent); return nil }
	if err := add(t, d, "e", nil); err != nil {
		t.Fatal(err)
	}
	stop := relay(t, d, b)
	<-sent
	ended := make(chan struct{})
	go func() { stop(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("it is held")
	}
	still(false)
	defer relay(t, open(t, server), b)()
	kittest.Eventually(t, "another copy", func() bool { return len(b.keys()) > 1 })
}

// TestOutboxTakesAnIDAgain publishes a message under its old id when the broker has the first copy
// and the outbox has not forgotten it, as when a consumer fails fast and is asked again: both leave.
func TestOutboxTakesAnIDAgain(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		d, b := open(t, url), &broker{}
		m, err := kit.NewTask(t.Context(), "first", "body")
		if err != nil {
			t.Fatal(err)
		}
		publish := func() error {
			return d.Tx(t.Context(), func(tx *db.Tx) error { return tx.Publish(t.Context(), m) })
		}
		b.arrived = func() error {
			b.arrived, m.Key = nil, "again"
			if err := publish(); err != nil {
				t.Errorf("publish again: %v", err)
			}
			return nil
		}
		if err := publish(); err != nil {
			t.Fatal(err)
		}
		stop := relay(t, d, b)
		kittest.Eventually(t, "an empty outbox", func() bool {
			var n int
			err := d.QueryRow(`SELECT COUNT(*) FROM outbox`).Scan(&n)
			return err == nil && n == 0
		})
		stop()
		if got, want := b.keys(), []string{"first", "again"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestOneRelayLeads runs three relays of one database: each event is published once, in order.
func TestOneRelayLeads(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		b := &broker{}
		var dbs []*db.DB
		for range 3 {
			d := open(t, url)
			dbs = append(dbs, d)
			defer relay(t, d, b)()
		}
		var want []string
		for i := range 60 {
			key := fmt.Sprintf("e%03d", i)
			if want = append(want, key); add(t, dbs[i%3], key, nil) != nil {
				t.Fatal("transaction failed")
			}
		}
		kittest.Eventually(t, "all events", func() bool { return len(b.keys()) >= len(want) })
		if got := b.keys(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestInboxHandlesOnce delivers a message four times, at once: it has one effect. One whose
// handling failed is handled when it comes again.
func TestInboxHandlesOnce(t *testing.T) {
	each(t, func(t *testing.T, url string) {
		d := open(t, url)
		m := kit.Message{ID: "m1"}
		boom := errors.New("boom")
		if err := d.Once(t.Context(), "c", m, func(*db.Tx) error { return boom }); !errors.Is(err, boom) {
			t.Errorf("got %v, want %v", err, boom)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				err := d.Once(t.Context(), "c", m, func(tx *db.Tx) error {
					_, err := tx.Exec(`INSERT INTO things (id, n, ok, at) VALUES ($1, 0, TRUE, '2026-01-01')`, fmt.Sprint(i))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var n int
		if err := d.QueryRow(`SELECT COUNT(*) FROM things`).Scan(&n); err != nil || n != 1 {
			t.Errorf("got %d effects, %v; want 1", n, err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"", "mysql://x", "postgres://u:hunter2@127.0.0.1:1/x", "sqlite://", "://u:hunter2@"} {
		d, err := tryOpen(t, url, schema)
		if err == nil {
			d.Close()
			t.Errorf("open %q: no error", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("open %q tells the password: %v", url, err)
		}
	}
}
