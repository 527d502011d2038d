package sniff

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"os/exec"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-sql-driver/mysql"

	"msctl.dev/msctl/internal/resource/resourcetest"
)

// my writes packets, numbered from seq on.
func my(seq byte, payloads ...string) string {
	var b []byte
	for _, p := range payloads {
		b = append(b, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), seq)
		b = append(b, p...)
		seq++
	}
	return string(b)
}

// myCaps writes capabilities, the lower or the upper half of those that a server offers.
func myCaps(can uint64) (low, high, own string) {
	return string(binary.LittleEndian.AppendUint16(nil, uint16(can))), string(binary.LittleEndian.AppendUint16(nil, uint16(can>>16))),
		string(binary.LittleEndian.AppendUint32(nil, uint32(can>>32)))
}

// myOpened is how a connection begins whose sides can both do this.
func myOpened(can uint64) []step {
	can |= myWithDatabase | mySecure | 1<<9
	low, high, own := myCaps(can)
	zeros := strings.Repeat("\x00", 23-4)
	return []step{
		answer(my(0, "\x0a5.5.5-10.11.6-MariaDB\x00\x01\x00\x00\x00saltsalt\x00"+low+"\x21\x02\x00"+high+"\x15"+"\x00\x00\x00\x00\x00\x00"+own+"saltsaltsalt\x00mysql_native_password\x00")),
		ask(my(1, low+high+"\x00\x00\x00\x01\x21"+zeros+own+"bob\x00\x07hunter2shop\x00mysql_native_password\x00")),
		answer(my(2, "\xfemysql_native_password\x00salt\x00")), ask(my(3, "hunter2")),
		answer(my(4, myDone(0))),
	}
}

const myDef = "\x03def\x04shop\x06orders\x06orders\x02id\x02id\x0c\x3f\x00\x0b\x00\x00\x00\x03\x00\x00\x00\x00\x00"

// myDone is an OK with affected rows, and myEOF the end of definitions or rows.
func myDone(rows byte) string { return "\x00" + string(rune(rows)) + "\x00\x02\x00\x00\x00" }

const (
	myEOF      = "\xfe\x00\x00\x02\x00"
	myEOFMore  = "\xfe\x00\x00\x0a\x00"
	myLastRow  = "\xfe\x00\x00\x02\x00\x00\x00"
	myMissing  = "\xff\x7a\x04#42S02Table 'shop.nothing' doesn't exist"
	myTwice    = "\xff\x26\x04#23000Duplicate entry 'hunter3' for key 'PRIMARY'"
	myProgress = "\xff\xff\xff\x01\x02\x03\x00\x00\x04sort"
)

func TestMySQLMessages(t *testing.T) {
	tests := []struct {
		name  string
		can   uint64
		steps []step
		want  []string
	}{
		{"ok", 0, []step{ask(my(0, "\x03INSERT INTO orders VALUES (1, 'x')")), answer(my(1, myDone(1)))},
			[]string{"client INSERT orders [INSERT INTO orders VALUES (?)] [1]"}},
		{"rows", 0, []step{ask(my(0, "\x03SELECT * FROM orders WHERE a = \"x\" # y")), answer(my(1, "\x02", myDef, myDef, myEOF, "\x011\x012", "\xfb\xfb", myEOF))},
			[]string{"client SELECT orders [SELECT * FROM orders WHERE a = ?] [2]"}},
		{"rows, no EOF", myNoEOF, []step{ask(my(0, "\x03SELECT * FROM orders")), answer(my(1, "\x01", myDef, "\x011", myLastRow))},
			[]string{"client SELECT orders [SELECT * FROM orders] [1]"}},
		{"metadata left out, MariaDB", myNoEOF | myCached, []step{ask(my(0, "\x03SELECT * FROM orders")), answer(my(1, "\x02\x00", "\x011\x011", myLastRow)),
			ask(my(0, "\x03SELECT * FROM orders")), answer(my(1, "\x02\x01", myDef, myDef, "\x011\x011", myLastRow))},
			[]string{"client SELECT orders [SELECT * FROM orders] [1]", "client SELECT orders [SELECT * FROM orders] [1]"}},
		{"metadata left out, MySQL", myNoEOF | myNoMetadata | myLongPassword, []step{ask(my(0, "\x03SELECT * FROM orders")), answer(my(1, "\x00\x02", "\x011\x011", myLastRow))},
			[]string{"client SELECT orders [SELECT * FROM orders] [1]"}},
		{"attributes", myAttributes, []step{ask(my(0, "\x03\x00\x01DO 1")), answer(my(1, myDone(0))), ask(my(0, "\x03\x01\x01secret")), answer(my(1, myDone(0)))},
			[]string{"client DO [DO ?]", "client QUERY"}},
		{"error", 0, []step{ask(my(0, "\x03SELECT * FROM nothing")), answer(my(1, myMissing)), ask(my(0, "\x03INSERT INTO orders VALUES (1)")), answer(my(1, myTwice))},
			[]string{"client SELECT nothing [SELECT * FROM nothing] [1146] ! 1146 Table 'shop.nothing' doesn't exist",
				"client INSERT orders [INSERT INTO orders VALUES (?)] [1062] ! 1062 Duplicate entry ? for key ?"}},
		{"error behind rows", 0, []step{ask(my(0, "\x03SELECT * FROM orders")), answer(my(1, "\x01", myDef, myEOF, "\x011", myMissing)), ask(my(0, "\x0e")), answer(my(1, myDone(0)))},
			[]string{"client SELECT orders [SELECT * FROM orders] [1] [1146] ! 1146 Table 'shop.nothing' doesn't exist", "client PING"}},
		{"progress", 0, []step{ask(my(0, "\x03ALTER TABLE orders ADD c int")), answer(my(1, myProgress, myDone(0)))},
			[]string{"client ALTER TABLE orders [ALTER TABLE orders ADD c int]"}},
		{"two results", 0, []step{ask(my(0, "\x03SELECT 1; SELECT 2")), answer(my(1, "\x01", myDef, myEOF, "\x011", myEOFMore)), answer(my(6, "\x01", myDef, myEOF, "\x012", myEOF))},
			[]string{"client SELECT [SELECT ?; SELECT ?] [2]"}},
		{"prepared", 0, []step{ask(my(0, "\x16SELECT * FROM orders WHERE id = ?")), answer(my(1, "\x00\x07\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", myDef, myEOF, myDef, myEOF)),
			ask(my(0, "\x17\x07\x00\x00\x00\x00\x01\x00\x00\x00secret")), answer(my(1, "\x01", myDef, myEOF, "\x00\x00\x01", myEOF)),
			ask(my(0, "\x19\x07\x00\x00\x00")), ask(my(0, "\x17\x07\x00\x00\x00\x00")), answer(my(1, "\xff\xdb\x04#HY000Unknown prepared statement"))},
			[]string{"client SELECT orders [SELECT * FROM orders WHERE id = ?] [1]", "client EXECUTE [1243] ! 1243 Unknown prepared statement"}},
		{"prepared, pipelined, no EOF", myNoEOF, []step{ask(my(0, "\x16SELECT * FROM orders WHERE id = ?") + my(0, "\x17\xff\xff\xff\xff\x00\x01\x00\x00\x00")),
			answer(my(1, "\x00\x07\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", myDef, myDef)), answer(my(1, "\x01", myDef, "\x00\x00\x01", myLastRow))},
			[]string{"client SELECT orders [SELECT * FROM orders WHERE id = ?] [1]"}},
		{"prepare fails", 0, []step{ask(my(0, "\x16SELECT * FROM nothing")), answer(my(1, myMissing))},
			[]string{"client SELECT nothing [SELECT * FROM nothing] [1146] ! 1146 Table 'shop.nothing' doesn't exist"}},
		{"cursor", 0, []step{ask(my(0, "\x17\x01\x00\x00\x00\x01")), answer(my(1, "\x01", myDef, "\xfe\x00\x00\x42\x00")),
			ask(my(0, "\x1c\x01\x00\x00\x00\x05\x00\x00\x00")), answer(my(1, "\x00\x00\x01", "\xfe\x00\x00\x82\x00"))},
			[]string{"client EXECUTE [0]", "client FETCH"}},
		{"backslashes are letters", 0, []step{ask(my(0, "\x03SET sql_mode = 'NO_BACKSLASH_ESCAPES'")), answer(my(1, "\x00\x00\x00\x02\x02\x00\x00")),
			ask(my(0, "\x03"+`DO 'a\', 'secret'`)), answer(my(1, "\x00\x00\x00\x02\x02\x00\x00")), ask(my(0, "\x1f")), answer(my(1, myDone(0))),
			ask(my(0, "\x03"+`DO 'a\'secret'`)), answer(my(1, myDone(0)))},
			[]string{"client SET [SET sql_mode = ?]", "client DO [DO ?]", "client RESET", "client DO [DO ?]"}},
		{"file", 0, []step{ask(my(0, "\x03LOAD DATA LOCAL INFILE 'f' INTO TABLE orders")), answer(my(1, "\xfbf")), ask(my(2, "\x03secret", "")), answer(my(4, myDone(3)))},
			[]string{"client LOAD [LOAD DATA LOCAL INFILE ? INTO TABLE orders] [3]"}},
		{"a long command and a long row", 0, []step{ask(my(0, "\x03INSERT INTO orders VALUES ('"+strings.Repeat("x", myFull-29), strings.Repeat("x", 10)+"')")),
			answer(my(1, myDone(1))), ask(my(0, "\x03SELECT a FROM orders")), answer(my(1, "\x01", myDef, myEOF, "\xfe"+strings.Repeat("x", myFull-1), "\xfe", myEOF))},
			[]string{"client INSERT orders [INSERT INTO orders VALUES (?] [1]", "client SELECT orders [SELECT a FROM orders] [1]"}},
		{"others", 0, []step{ask(my(0, "\x02stock")), answer(my(1, myDone(0))), ask(my(0, "\x04orders\x00")), answer(my(1, myDef, myEOF)), ask(my(0, "\x09")), answer(my(1, "Uptime: 1")),
			ask(my(0, "\x1f")), answer(my(1, myDone(0))), ask(my(0, "\x01"))},
			[]string{"client USE", "client SHOW COLUMNS", "client STATISTICS", "client RESET"}},
		{"no answer", 0, []step{ask(my(0, "\x03SELECT 1"))}, []string{"client SELECT [SELECT ?] ! " + broken}},
		{"a replica", 0, []step{ask(my(0, "\x12")), ask(my(0, "\x03SELECT 1"))}, nil},
		{"compressed", myCompress, []step{ask(my(0, "\x03SELECT 1"))}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := append(myOpened(tt.can), tt.steps...)
			read := exchanges
			if strings.HasPrefix(tt.name, "a long") {
				read = func(t testing.TB, protocol string, steps []step) []Exchange {
					return readAll(t, protocol, steps)
				}
			}
			got := read(t, "mysql", steps)
			if tt.can&myCompress == 0 {
				if len(got) == 0 || got[0].Name != "CONNECT" {
					t.Fatalf("got %+v", got)
				}
				got = got[1:]
			}
			if d := shown(got, "db.query.text", rowsReturned, rowsAffected, "db.response.status_code"); len(d)+len(tt.want) > 0 {
				checkShown(t, d, tt.want...)
			}
			if !strings.HasPrefix(tt.name, "a long") {
				checkSecret(t, "mysql", steps, "hunter2", "hunter3", "secret")
			}
		})
	}
}

// readAll is exchanges for what is too long to be read byte by byte.
func readAll(t testing.TB, protocol string, steps []step) []Exchange {
	return read(parser(t, protocol), steps, func(n int) int { return min(n, 32<<10) })
}

func TestMySQLConnections(t *testing.T) {
	refused := append(myOpened(0)[:4:4], answer(my(4, "\xff\x15\x04#28000Access denied for user 'bob'@'localhost' (using password: YES)")))
	checkShown(t, shown(exchanges(t, "mysql", refused), "db.system.name", "db.namespace"),
		"client CONNECT [mariadb] [shop] ! 1045 Access denied for user 'bob'@'localhost' (using password: YES)")
	full := []step{answer(my(0, "\xff\x10\x04Too many connections"))}
	checkShown(t, shown(exchanges(t, "mysql", full)), "client CONNECT ! 1040 Too many connections")
	tls := []step{myOpened(myTLS)[0], ask(my(1, "\x00\x0a\x00\x00"+strings.Repeat("\x00", 28))), ask("\x16\x03\x01"), answer("\x16\x03\x01")}
	if got := exchanges(t, "mysql", tls); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
}

// TestMySQL reads along with MariaDB and two of its clients.
func TestMySQL(t *testing.T) {
	e := resourcetest.Native(t, "mysql", "mariadbd", "mariadb")
	rec := record(t, fmt.Sprintf("%s:%d", e.Host, e.Port))
	useMySQL(t, rec.addr(), e.User, e.Password, e.Database)
	host, port, _ := strings.Cut(rec.addr(), ":")
	cmd := exec.CommandContext(t.Context(), "mariadb", "--no-defaults", "-h", host, "-P", port, "-u", e.User, "-p"+e.Password, "--skip-ssl", e.Database,
		"-e", "SELECT * FROM orders; SELECT 'secret' FROM nothing")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "1146") {
		t.Fatalf("%v: %s", err, out)
	}
	got := shown(rec.told(t, "mysql"), "db.collection.name", rowsReturned, rowsAffected, "db.response.status_code")
	missing := "[nothing] [1146] ! 1146 Table '" + e.Database + ".nothing' doesn't exist"
	checkShown(t, got,
		"client CONNECT", "client CREATE TABLE orders [orders]",
		"client INSERT orders [orders] [1]", "client INSERT orders [orders] [2]",
		"client INSERT orders [orders] [1062] ! 1062 Duplicate entry ? for key ?",
		"client SELECT orders [orders] [3]", // prepared
		"client SELECT orders [orders] [3]", // as text
		"client SELECT nothing "+missing,    // prepared
		"client SELECT nothing "+missing,
		"client BEGIN", "client UPDATE orders [orders] [2]", "client COMMIT",
		"client SELECT [2]", // two results
		"client PING",
		"client CONNECT", "client SELECT orders [orders] [3]", "client SELECT nothing "+missing)
}

func useMySQL(t *testing.T, addr, user, password, database string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := gomysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd, c.DBName, c.MultiStatements = "tcp", addr, user, password, database, true
	c.Logger = log.New(io.Discard, "", 0)
	connector, err := gomysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(q string, args ...any) error { _, err := db.ExecContext(ctx, q, args...); return err }
	query := func(q string, args ...any) error {
		rows, err := db.QueryContext(ctx, q, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for more := true; more; more = rows.NextResultSet() {
			for rows.Next() {
			}
		}
		return rows.Err()
	}
	must(exec("CREATE TABLE orders (id int PRIMARY KEY, body text)"))
	must(exec("INSERT INTO orders VALUES (?, ?)", 1, strings.Repeat("x", 50_000)))
	must(exec("INSERT INTO orders VALUES (2, 'b'), (3, 'c')"))
	if exec("INSERT INTO orders VALUES (2, 'secret')") == nil {
		t.Fatal("a double key is taken")
	}
	must(query("SELECT * FROM orders WHERE id < ?", 10))
	must(query("SELECT * FROM orders WHERE body <> 'it''s'"))
	if query("SELECT * FROM nothing WHERE id = ?", 1) == nil || query("SELECT * FROM nothing") == nil {
		t.Fatal("a table that is not there is read")
	}
	tx, err := db.BeginTx(ctx, nil)
	must(err)
	_, err = tx.Exec("UPDATE orders SET body = ?", "c")
	must(err)
	must(tx.Commit())
	must(query("SELECT 1; SELECT 2"))
	must(db.PingContext(ctx))
}

func FuzzMySQL(f *testing.F) {
	for _, can := range []uint64{0, myNoEOF, myNoEOF | myCached, myNoMetadata | myLongPassword} {
		fuzzed := append(myOpened(can),
			ask(my(0, "\x16SELECT ?")), answer(my(1, "\x00\x07\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00", myDef, myEOF, myDef, myEOF)),
			ask(my(0, "\x17\x07\x00\x00\x00\x00")), answer(my(1, "\x01", myDef, myEOF, "\x00\x00\x01", myEOFMore, myDone(1))),
			ask(my(0, "\x03LOAD")), answer(my(1, "\xfbf")), ask(my(2, "x", "")), answer(my(4, myMissing)))
		f.Add(pack(fuzzed))
	}
	fuzz(f, "mysql")
}

func BenchmarkMySQLQuery(b *testing.B) {
	p := New("mysql")
	for _, s := range myOpened(0) {
		p.Feed(moment, s.dir, s.data, func(Exchange) {})
	}
	benchOn(b, p, ask(my(0, "\x03SELECT * FROM orders WHERE id = 4711 AND state = 'open'")), answer(my(1, "\x01", myDef, myEOF, "\x0512345", myEOF)))
}
