package sniff

import (
	"strings"
	"testing"
)

var postgresSQL = dialect{dollar: true}

func TestSQL(t *testing.T) {
	tests := []struct{ sql, name, text string }{
		{"select * from orders where id = 4711", "SELECT orders", "select * from orders where id = ?"},
		{"SELECT a, 'x''y' FROM public.\"Order Items\" i", "SELECT public.Order Items", `SELECT a, ? FROM public."Order Items" i`},
		{"INSERT INTO outbox (id, body) VALUES ($1, $2)", "INSERT outbox", "INSERT INTO outbox (id, body) VALUES ($1, $2)"},
		{"insert into t values (1, 'a', E'b\\'c', $$secret$$, $x$se$$cret$x$)", "INSERT t", "insert into t values (?)"},
		{"UPDATE ONLY t SET a = -1.5e3 WHERE b IN (1,2 , 3)", "UPDATE t", "UPDATE ONLY t SET a = -? WHERE b IN (?)"},
		{"DELETE FROM t USING u", "DELETE t", "DELETE FROM t USING u"},
		{"WITH a AS (SELECT 1 FROM b) UPDATE c SET d = 1", "UPDATE c", "WITH a AS (SELECT ? FROM b) UPDATE c SET d = ?"},
		{"SELECT extract(year FROM x), (SELECT max(y) FROM z) FROM w", "SELECT w", "SELECT extract(year FROM x), (SELECT max(y) FROM z) FROM w"},
		{"SELECT * FROM (SELECT * FROM inner_t) s", "SELECT inner_t", "SELECT * FROM (SELECT * FROM inner_t) s"},
		{"SELECT 1", "SELECT", "SELECT ?"},
		{"-- name: Get\nSELECT /* a /* nested */ b */ 1;", "SELECT", "SELECT ?"},
		{"begin isolation level serializable", "BEGIN", "begin isolation level serializable"},
		{"START TRANSACTION", "BEGIN", "START TRANSACTION"},
		{"CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a)", "CREATE INDEX i", "CREATE UNIQUE INDEX IF NOT EXISTS i ON t (a)"},
		{"ALTER USER bob PASSWORD 'hunter2'", "ALTER USER", "ALTER USER bob PASSWORD ?"},
		{"COPY orders FROM STDIN", "COPY orders", "COPY orders FROM STDIN"},
		{"select 'unfinished", "SELECT", "select ?"},
		{"select $tag$unfinished", "SELECT", "select ?"},
		{"frobnicate the table", "SQL", "frobnicate the table"},
		{"", "EMPTY", ""},
		{";", "EMPTY", ""},
		{"SELECT c1, t2.c3 FROM t2", "SELECT t2", "SELECT c1, t2.c3 FROM t2"},
	}
	for _, tt := range tests {
		s := statements{dialect: postgresSQL}
		got := s.of([]byte(tt.sql))
		if got.name != tt.name || got.text != tt.text {
			t.Errorf("%s:\ngot  %s | %s\nwant %s | %s", tt.sql, got.name, got.text, tt.name, tt.text)
		}
	}
}

func TestSQLTraceParent(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s := statements{dialect: postgresSQL}
	got := s.of([]byte("SELECT 1 /*route='%2Fa',traceparent='" + parent + "'*/"))
	if got.parent != parent || got.text != "SELECT ?" {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{"", "00", strings.Replace(parent, "-b7", "+b7", 1), "00-" + strings.Repeat("0", 32) + parent[35:], "ff" + parent[2:]} {
		if traceParent([]byte(bad)) {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestSQLLiterals checks that nothing between quotes is told, wherever the statement is cut off.
func TestSQLLiterals(t *testing.T) {
	sql := `INSERT INTO t VALUES ('hunter one', E'it\'s hunter two', $$hunter three$$, $a$hunter four$a$, B'01', 77777)`
	for n := range len(sql) {
		s := statements{dialect: postgresSQL}
		if got := s.of([]byte(sql[:n])); strings.Contains(got.text, "hunter") || strings.Contains(got.text, "7") {
			t.Fatalf("%q: %q", sql[:n], got.text)
		}
	}
}

func FuzzSQL(f *testing.F) {
	f.Add([]byte("WITH a AS (SELECT $$x$$) SELECT * FROM (b) /* c */ -- d\n WHERE e = 'f' AND \"g\".h = E'\\i'"))
	f.Fuzz(func(t *testing.T, sql []byte) {
		for _, d := range []dialect{postgresSQL, {doubleQuoted: true, backslash: true, hash: true}} {
			s := statements{dialect: d}
			if st := s.of(sql); len(st.text) > 3*maxText || st.name == "" {
				t.Errorf("got %+v", st)
			}
		}
	})
}

// TestPreparedBound checks that names which are given to longer and longer statements take no more room.
func TestPreparedBound(t *testing.T) {
	var p prepared
	for _, text := range []string{"", strings.Repeat("x", maxText), strings.Repeat("y", maxText)} {
		for key := range uint64(maxPrepared - 1) {
			p.put(key, &statement{name: "SELECT", text: text})
		}
	}
	kept := 0
	for _, st := range p.known {
		kept += len(st.text)
	}
	if kept > maxPreparedTexts || kept != p.size || len(p.known) != maxPrepared-1 {
		t.Errorf("%d bytes of %d statements kept, %d counted; want at most %d", kept, len(p.known), p.size, maxPreparedTexts)
	}
	for key := range uint64(maxPrepared - 1) {
		p.drop(key)
	}
	if p.size != 0 {
		t.Errorf("%d bytes counted of nothing", p.size)
	}
}
