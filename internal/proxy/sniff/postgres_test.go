package sniff

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"msctl.dev/msctl/internal/resource/resourcetest"
)

// pg writes messages of the protocol: a type and its body each.
func pg(messages ...string) string {
	var b []byte
	for _, m := range messages {
		b = append(b, m[0])
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)+3))
		b = append(b, m[1:]...)
	}
	return string(b)
}

// pgFirst writes a first message.
func pgFirst(version uint32, body string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return string(binary.BigEndian.AppendUint32(b, version)) + body
}

var pgOpened = []step{
	ask(pgFirst(pgTLS, "")), answer("N"),
	ask(pgFirst(3<<16, "user\x00bob\x00database\x00shop\x00\x00")), answer(pg("R\x00\x00\x00\x05salt")),
	ask(pg("phunter2\x00")), answer(pg("R\x00\x00\x00\x00", "Sserver_version\x0017\x00", "ZI")),
}

const pgErr = "ESERROR\x00C23505\x00Mduplicate key value violates unique constraint \"orders_pkey\"\x00DKey (id)=(hunter3)\x00\x00"

func TestPostgresMessages(t *testing.T) {
	parse, bind := "Pst\x00INSERT INTO orders VALUES ($1)\x00\x00\x00", "B\x00st\x00\x00\x00\x00\x00\x00\x00"
	tests := []struct {
		name  string
		steps []step
		want  []string
	}{
		{"simple", []step{ask(pg("QSELECT * FROM orders WHERE id = 'x'\x00")), answer(pg("Tx", "Dx", "Dx", "CSELECT 2\x00", "ZI"))},
			[]string{"client SELECT orders [SELECT * FROM orders WHERE id = ?] [2]"}},
		{"simple, several", []step{ask(pg("QBEGIN; SELECT 1\x00")), answer(pg("CBEGIN\x00", "Dx", "CSELECT 1\x00", "ZI"))},
			[]string{"client BEGIN [BEGIN; SELECT ?] [1]"}},
		{"simple, error", []step{ask(pg("QSELECT 'a\x00")), answer(pg("ESERROR\x00C42601\x00Msyntax at \"secret\"\x00\x00", "ZI"))},
			[]string{"client SELECT [SELECT ?] [42601] ! 42601 syntax at ?"}},
		{"extended", []step{ask(pg(parse, bind, "E\x00\x00\x00\x00\x00", "S")), answer(pg("1", "2", "CINSERT 0 1\x00", "ZI"))},
			[]string{"client INSERT orders [INSERT INTO orders VALUES ($1)]"}},
		{"prepared, then twice", []step{ask(pg(parse, "DSst\x00", "S")), answer(pg("1", "tx", "n", "ZI")),
			ask(pg(bind, "E\x00\x00\x00\x00\x00", "S")), answer(pg("2", "CINSERT 0 1\x00", "ZI")),
			ask(pg(bind, "E\x00\x00\x00\x00\x00", "S")), answer(pg("2", pgErr, "ZI"))},
			[]string{"client INSERT orders [INSERT INTO orders VALUES ($1)]",
				"client INSERT orders [INSERT INTO orders VALUES ($1)] [23505] ! 23505 duplicate key value violates unique constraint \"orders_pkey\""}},
		{"parse fails", []step{ask(pg(parse, "DSst\x00", "S")), answer(pg("EC42P01\x00Mno \"orders\"\x00\x00", "ZI"))},
			[]string{"client INSERT orders [INSERT INTO orders VALUES ($1)] [42P01] ! 42P01 no \"orders\""}},
		{"batch with an error", []step{
			ask(pg(parse, bind, "E\x00\x00\x00\x00\x00", bind, "E\x00\x00\x00\x00\x00", bind, "E\x00\x00\x00\x00\x00", "S")),
			answer(pg("1", "2", "CINSERT 0 1\x00", "2", pgErr, "ZI")),
			ask(pg("QCOMMIT\x00")), answer(pg("CCOMMIT\x00", "ZI"))},
			[]string{"client INSERT orders [INSERT INTO orders VALUES ($1)]",
				"client INSERT orders [INSERT INTO orders VALUES ($1)] [23505] ! 23505 duplicate key value violates unique constraint \"orders_pkey\"",
				"client COMMIT [COMMIT]"}},
		{"copy", []step{ask(pg("QCOPY orders FROM STDIN\x00")), answer(pg("Gx")), ask(pg("dhunter2", "dx", "c")), answer(pg("CCOPY 2\x00", "ZI"))},
			[]string{"client COPY orders [COPY orders FROM STDIN]"}},
		{"copy, extended", []step{ask(pg("P\x00COPY orders FROM STDIN\x00\x00\x00", "B\x00\x00\x00\x00\x00\x00\x00\x00", "E\x00\x00\x00\x00\x00", "S")),
			answer(pg("1", "2", "Gx")), ask(pg("dx", "c", "S")), answer(pg("CCOPY 1\x00", "ZI")), ask(pg("QSHOW x\x00")), answer(pg("CSHOW\x00", "ZI"))},
			[]string{"client COPY orders [COPY orders FROM STDIN]", "client SHOW [SHOW x]"}},
		{"notify", []step{answer(pg("A\x00\x00\x00\x01orders\x00paid\x00"))}, []string{"consumer receive orders"}},
		{"closed", []step{ask(pg("QSELECT 1\x00"))}, []string{"client SELECT [SELECT ?] ! " + broken}},
		{"shut down", []step{ask(pg("QSELECT 1\x00")), answer(pg("EC57P01\x00Mterminating\x00\x00"))},
			[]string{"client SELECT [SELECT ?] [57P01] ! 57P01 terminating"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := shown(exchanges(t, "postgres", append(pgOpened[:len(pgOpened):len(pgOpened)], tt.steps...)),
				"db.query.text", "db.response.status_code", rowsReturned)
			checkShown(t, got, append([]string{"client CONNECT"}, tt.want...)...)
		})
	}
}

func TestPostgresOff(t *testing.T) {
	for name, steps := range map[string][]step{
		"TLS":        {ask(pgFirst(pgTLS, "")), answer("S"), ask("\x16\x03\x01")},
		"direct TLS": {ask("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03")},
		"cancel":     {ask(pgFirst(pgCancel, "12345678"))},
		"HTTP":       {ask("GET / HTTP/1.1\r\n\r\n")},
	} {
		if got := exchanges(t, "postgres", steps); len(got) != 0 {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestPostgresBatch(t *testing.T) {
	const n = 1000
	in, out := pg("Pst\x00INSERT INTO orders VALUES ($1)\x00\x00\x00"), pg("1")
	for range n {
		in += pg("B\x00st\x00\x00\x00\x00\x00\x00\x00", "E\x00\x00\x00\x00\x00")
		out += pg("2", "CINSERT 0 1\x00")
	}
	got := exchanges(t, "postgres", append(pgOpened[:len(pgOpened):len(pgOpened)],
		ask(in+pg("S")), answer(out+pg("ZI")), ask(pg("QSELECT 1\x00")), answer(pg("CSELECT 1\x00", "ZI"))))
	last := got[len(got)-2]
	if size := value(last, "db.operation.batch.size"); last.Name != "INSERT orders" || size != fmt.Sprint(n-maxPending/2) {
		t.Errorf("the rest is %s of %s", last.Name, size)
	}
	if name := got[len(got)-1].Name; name != "SELECT" {
		t.Errorf("then %s", name)
	}
}

func TestPostgresSecrets(t *testing.T) {
	steps := append(pgOpened[:len(pgOpened):len(pgOpened)],
		ask(pg("QUPDATE a SET b = 'hunter4' WHERE c = 123456\x00")), answer(pg("Dhunter5", "CUPDATE 1\x00", pgErr, "ZI")),
		ask(pg("Pst\x00SELECT $x$hunter6$x$\x00\x00\x00", "B\x00st\x00\x00\x00\x00\x01\x00\x00\x00\x07hunter7\x00\x00", "E\x00\x00\x00\x00\x00", "S")),
		answer(pg("1", "2", "Dhunter8", "CSELECT 1\x00", "ZI")))
	checkSecret(t, "postgres", steps, "hunter", "123456")
}

// TestPostgresReal reads along with a real client and a server.
func TestPostgresReal(t *testing.T) {
	e := resourcetest.Native(t, "postgres", "postgres", "initdb")
	rec := record(t, fmt.Sprintf("%s:%d", e.Host, e.Port))
	u, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = rec.addr()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, u.String())
	if err != nil {
		t.Fatal(err)
	}
	usePostgres(ctx, t, c)
	c.Close(ctx)
	if _, err := pgx.Connect(ctx, strings.Replace(u.String(), url.QueryEscape(e.Password)+"@", "wrong@", 1)); err == nil {
		t.Fatal("a wrong password is taken")
	}
	got := shown(rec.told(t, "postgres"), "db.collection.name", rowsReturned, rowsAffected, "db.operation.batch.size")
	checkShown(t, got,
		"client CONNECT", "client CREATE TABLE orders [orders]",
		"client INSERT orders [orders] [1]", "client INSERT orders [orders] [1]",
		`client INSERT orders [orders] ! 23505 duplicate key value violates unique constraint "orders_pkey"`,
		"client SELECT orders [orders] [2]",
		"client SELECT orders [orders] [2]", // simple protocol
		`client SELECT nothing [nothing] ! 42P01 relation "nothing" does not exist`,
		"client BEGIN", "client UPDATE orders [orders] [2]", "client COMMIT",
		"client COPY orders [orders] [100]",
		"client SELECT orders [orders] [1]", "client INSERT orders [orders] [1]",
		`client SELECT ! 22012 division by zero`,
		"client LISTEN news [news]", "client SELECT [1]", "consumer receive news",
		`client CONNECT ! 28P01 password authentication failed for user "`+e.User+`"`)
}

func usePostgres(ctx context.Context, t *testing.T, c *pgx.Conn) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(sql string, args ...any) error {
		_, err := c.Exec(ctx, sql, args...)
		return err
	}
	query := func(sql string, args ...any) error {
		rows, err := c.Query(ctx, sql, args...)
		if err == nil {
			_, err = pgx.CollectRows(rows, pgx.RowToMap)
		}
		return err
	}
	must(exec("CREATE TABLE orders (id int PRIMARY KEY, body text)"))
	must(exec("INSERT INTO orders VALUES ($1, $2)", 1, strings.Repeat("x", 50_000)))
	must(exec("INSERT INTO orders VALUES ($1, $2)", 2, "b"))
	if exec("INSERT INTO orders VALUES ($1, $2)", 2, "b") == nil {
		t.Fatal("a double key is taken")
	}
	must(query("SELECT * FROM orders WHERE id < $1", 10))
	must(query("SELECT * FROM orders WHERE body <> 'it''s'", pgx.QueryExecModeSimpleProtocol))
	if query("SELECT * FROM nothing") == nil {
		t.Fatal("a table that is not there is read")
	}
	must(pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE orders SET body = $1", "c")
		return err
	}))
	_, err := c.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id", "body"}, pgx.CopyFromSlice(100, func(i int) ([]any, error) {
		return []any{100 + i, "copied"}, nil
	}))
	must(err)
	b := &pgx.Batch{}
	b.Queue("SELECT * FROM orders WHERE id = $1", 1)
	b.Queue("INSERT INTO orders VALUES ($1, $2)", 5, "e")
	b.Queue("SELECT 1 / $1::int", 0)
	b.Queue("INSERT INTO orders VALUES ($1, $2)", 6, "f")
	if c.SendBatch(ctx, b).Close() == nil {
		t.Fatal("a division by zero is taken")
	}
	must(exec("LISTEN news"))
	must(query("SELECT pg_notify('news', 'paid')"))
	_, err = c.WaitForNotification(ctx)
	must(err)
}

func FuzzPostgres(f *testing.F) {
	fuzz(f, "postgres", append(pgOpened[:len(pgOpened):len(pgOpened)],
		ask(pg("Pst\x00SELECT 1\x00\x00\x00", "B\x00st\x00\x00\x00\x00\x00\x00\x00", "E\x00\x00\x00\x00\x00", "S", "QCOMMIT\x00", "dx", "c", "CSst\x00")),
		answer(pg("1", "2", "Dx", "CSELECT 1\x00", pgErr, "ZI", "Gx", "A\x00\x00\x00\x01a\x00b\x00"))))
}

func BenchmarkPostgresExecute(b *testing.B) {
	p := New("postgres")
	none := func(Exchange) {}
	for _, s := range append(pgOpened[:len(pgOpened):len(pgOpened)],
		ask(pg("Pst\x00SELECT * FROM orders WHERE id = $1\x00\x00\x00", "S")), answer(pg("1", "ZI"))) {
		p.Feed(moment, s.dir, s.data, none)
	}
	benchOn(b, p, ask(pg("B\x00st\x00\x00\x00\x00\x00\x00\x00", "DP\x00", "E\x00\x00\x00\x00\x00", "S")),
		answer(pg("2", "Txxxxxxxxxxxxxxxxxxxxxx", "Dxxxxxxxxxxxxxxxxxxxxxxxxx", "CSELECT 1\x00", "ZI")))
}

func BenchmarkPostgresQuery(b *testing.B) {
	p := New("postgres")
	for _, s := range pgOpened {
		p.Feed(moment, s.dir, s.data, func(Exchange) {})
	}
	benchOn(b, p, ask(pg("QSELECT * FROM orders WHERE id = 4711 AND state = 'open'\x00")),
		answer(pg("Txxxxxxxxxxxxxxxxxxxxxx", "Dxxxxxxxxxxxxxxxxxxxxxxxxx", "CSELECT 1\x00", "ZI")))
}
