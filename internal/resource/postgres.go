package resource

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// Postgres is the SQL database. Its resources share one server: each is a database owned by a user of
// its own, who may not enter the others'.
var Postgres = &Kind{
	Name:   "postgres",
	Doc:    "PostgreSQL, an SQL database; `embedded: sqlite` gives a SQLite file where there is none",
	Shared: true,
	Recipes: []*Recipe{
		{
			Name: "postgres", Runtime: InEngine, Images: []string{"postgres:17", "postgres:18", "postgres:16", "postgres:15"},
			Listens: []stack.Listen{{Name: "postgres", Port: 5432}},
			unit:    postgresContainer, ready: postgresReady, prepare: postgresPrepare, endpoint: postgresEndpoint,
		},
		{
			Name: "postgres", Runtime: Native, Programs: []string{"postgres", "initdb"},
			Packages: []Package{{"apt-get", "postgresql"}, {"dnf", "postgresql-server"}, {"apk", "postgresql"}, {"pacman", "postgresql"}, {"brew", "postgresql@17"}},
			Listens:  []stack.Listen{{Name: "postgres"}},
			setup:    postgresSetup,
			unit:     postgresNative, ready: postgresReady, prepare: postgresPrepare, endpoint: postgresEndpoint,
		},
	},
	StandIn: []*Recipe{sqlite},
}

// postgresFast trades safety after a power cut for speed: the data is a developer's. What was committed
// outlives a killed server all the same: it is with the kernel.
var postgresFast = []string{"-c", "fsync=off", "-c", "synchronous_commit=on", "-c", "full_page_writes=off", "-c", "max_connections=200"}

func postgresContainer(at site) (driver.Unit, error) {
	folder := "/var/lib/postgresql/data"
	if _, tag, _ := strings.Cut(filepath.Base(at.choice().Image), ":"); major(tag) >= 18 {
		folder = "/var/lib/postgresql" // moved there by the official image of 18
	}
	return driver.Unit{
		Image:  at.choice().Image,
		Argv:   append([]string{"postgres"}, postgresFast...),
		Env:    []string{"POSTGRES_USER=" + admin, "POSTGRES_PASSWORD=" + at.password(admin), "POSTGRES_DB=postgres"},
		Mounts: []driver.Mount{{Source: at.volume(), Target: folder}},
		Signal: "INT", // end sessions; TERM would wait for their clients
	}, nil
}

// major is the number that a tag such as "17-alpine" begins with, or 0.
func major(tag string) int {
	digits := tag[:len(tag)-len(strings.TrimLeft(tag, "0123456789"))]
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// postgresNative opens no Unix socket: the path of one may be longer than the system allows.
func postgresNative(at site) (driver.Unit, error) {
	argv := []string{at.program("postgres"), "-D", filepath.Join(at.file("cluster"), "data"), "-p", strconv.Itoa(at.port()),
		"-c", "listen_addresses=" + host, "-c", "unix_socket_directories="}
	u := at.native(append(argv, postgresFast...))
	u.Signal = "INT"
	return u, nil
}

// postgresSetup gives the server a copy of the template: the folder "cluster" with its data and, beside
// it, the password of its superuser.
func postgresSetup(ctx context.Context, at site) error {
	if err := postgresSameVersion(ctx, at); err != nil {
		return err
	}
	template, err := at.template(ctx, "initdb", func(dir string) error { return postgresInit(ctx, at, dir) })
	if err != nil {
		return err
	}
	if err := at.fromTemplate(template, at.file("cluster")); err != nil {
		return err
	}
	return postgresUnlock(filepath.Join(at.file("cluster"), "data", "postmaster.pid"))
}

// postgresInit makes a fresh cluster whose superuser has a random password.
func postgresInit(ctx context.Context, at site, dir string) error {
	o, err := at.owner()
	if err != nil {
		return err
	}
	password := filepath.Join(dir, "password")
	if err := writeFile(password, []byte(rand.Text()), o); err != nil {
		return err
	}
	return at.command(ctx, dir, nil, at.program("initdb"), "-D", filepath.Join(dir, "data"), "-U", admin, "--pwfile", password,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
}

// postgresUnlock removes the lock file of a server that was killed when its process id is another
// program's by now, for example after a reboot: PostgreSQL would take that for itself, running.
func postgresUnlock(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil // not there: stopped cleanly, or never started
	}
	pid, _, _ := strings.Cut(string(b), "\n")
	comm, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	if err != nil || strings.HasPrefix(string(comm), "postgres") {
		return nil // no such process, or no /proc: PostgreSQL knows; or it runs
	}
	return os.Remove(file)
}

// postgresSameVersion refuses data that another major version wrote, before the server does in words
// that few understand.
func postgresSameVersion(ctx context.Context, at site) error {
	b, err := os.ReadFile(filepath.Join(at.file("cluster"), "data", "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	wrote := strings.TrimSpace(string(b))
	out, err := at.output(ctx, at.folder(), nil, at.program("postgres"), "--version")
	if err != nil {
		return err
	}
	words := strings.Fields(out) // postgres (PostgreSQL) 15.16 (Debian 15.16-0+deb12u1)
	if len(words) >= 3 && major(words[2]) != major(wrote) {
		return fmt.Errorf("the data is PostgreSQL %s's and this server is %s: drop it with `msctl down -v`, or put %s first on PATH",
			wrote, words[2], wrote)
	}
	return nil
}

// postgresPassword is the superuser's.
func postgresPassword(at site) (string, error) {
	if at.Recipe().Runtime == InEngine {
		return at.password(admin), nil
	}
	b, err := os.ReadFile(filepath.Join(at.file("cluster"), "password"))
	return string(b), err
}

func postgresConnect(ctx context.Context, at site, database string) (*pgx.Conn, error) {
	password, err := postgresPassword(at)
	if err != nil {
		return nil, err
	}
	c, err := pgx.ParseConfig(sqlURL("postgres", admin, password, at.addr(), database, "sslmode=disable"))
	if err != nil {
		return nil, err
	}
	c.DialFunc = quick.DialContext
	return pgx.ConnectConfig(ctx, c)
}

func postgresReady(ctx context.Context, at site) error {
	c, err := postgresConnect(ctx, at, "postgres")
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

// postgresPrepare makes the resource's user and database. A lock orders those who do it at once.
func postgresPrepare(ctx context.Context, at site, c Choice) error {
	db, err := postgresConnect(ctx, at, "postgres")
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(ctx))
	e := postgresEndpoint(at, c)
	name := pgx.Identifier{e.Database}.Sanitize()
	if _, err := db.Exec(ctx, "SELECT pg_advisory_lock(7305711)"); err != nil {
		return err
	}
	var user, database bool
	err = db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1), EXISTS (SELECT FROM pg_database WHERE datname = $2)",
		e.User, e.Database).Scan(&user, &database)
	if err != nil {
		return err
	}
	verb := "ALTER"
	if !user {
		verb = "CREATE"
	}
	// the password is hexadecimal: nothing in it needs quoting
	statements := []string{fmt.Sprintf("%s ROLE %s LOGIN PASSWORD '%s'", verb, name, e.Password)}
	if !database {
		statements = append(statements, fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, name))
	}
	statements = append(statements, fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM PUBLIC", name))
	for _, s := range statements {
		if _, err := db.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func postgresEndpoint(at site, c Choice) Endpoint {
	name, password := sqlName(c.Resource.Name), at.password(c.Resource.Name)
	return Endpoint{
		URL:  sqlURL("postgres", name, password, at.addr(), name, "sslmode=disable"),
		Host: host, Port: at.port(), User: name, Password: password, Database: name,
	}
}

// sqlURL is scheme://user:password@addr/database?query.
func sqlURL(scheme, user, password, addr, database, query string) string {
	u := url.URL{Scheme: scheme, User: url.UserPassword(user, password), Host: addr, Path: "/" + database, RawQuery: query}
	return u.String()
}
