package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/state"
)

// TestClientsFindTheirServer is exec beside a server which is a process.
func TestClientsFindTheirServer(t *testing.T) {
	for _, c := range []struct {
		url   string
		argv  []string
		want  []string
		wants []string // variables
	}{
		{"redis://127.0.0.1:7000/0", []string{"redis-cli", "ping"}, []string{"redis-cli", "-u", "redis://127.0.0.1:7000/0", "ping"}, nil},
		{"redis://127.0.0.1:7000/0", []string{"sh", "-c", "true"}, []string{"sh", "-c", "true"}, nil},
		{"postgres://u:p@127.0.0.1:7001/db?sslmode=disable", []string{"/usr/bin/psql"}, []string{"/usr/bin/psql"},
			[]string{"PGHOST=127.0.0.1", "PGPORT=7001", "PGUSER=u", "PGPASSWORD=p", "PGDATABASE=db", "PGSSLMODE=disable"}},
		{"mysql://u:p@127.0.0.1:7002/db", []string{"mariadb", "-e", "x"},
			[]string{"mariadb", "-h", "127.0.0.1", "-P", "7002", "-u", "u", "-D", "db", "-e", "x"},
			[]string{"MYSQL_HOST=127.0.0.1", "MYSQL_TCP_PORT=7002", "MYSQL_PWD=p"}},
		{"sqlite:///a/b.db", []string{"sqlite3"}, []string{"sqlite3", "/a/b.db"}, nil},
		{"nats://127.0.0.1:7003", []string{"nats", "sub", "x"}, []string{"nats", "sub", "x"}, []string{"NATS_URL=nats://127.0.0.1:7003"}},
	} {
		env := state.Environment{Env: []string{"PATH=/bin", "A_URL=" + c.url}}
		if diff := cmp.Diff(beside(&env, c.argv), c.want); diff != "" {
			t.Errorf("%s %v (-got +want):\n%s", c.url, c.argv, diff)
		}
		if diff := cmp.Diff(env.Env[2:], append([]string{}, c.wants...)); diff != "" {
			t.Errorf("%s (-got +want):\n%s", c.url, diff)
		}
	}
}
