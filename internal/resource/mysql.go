package resource

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// MySQL is MariaDB, or MySQL where a resource's image says so. Its resources share one server: each is a
// database with a user of its own.
var MySQL = &Kind{
	Name:   "mysql",
	Doc:    "MariaDB, an SQL database that MySQL's clients speak to; `embedded: sqlite` gives a SQLite file where there is none",
	Shared: true,
	Recipes: []*Recipe{
		{
			Name: "mariadb", Runtime: InEngine, Images: []string{"mariadb:11.8", "mariadb:11", "mariadb:11.4", "mariadb:10.11"},
			Listens: []stack.Listen{{Name: "mysql", Port: 3306}},
			unit: func(at site) (driver.Unit, error) {
				return driver.Unit{
					Image:  at.choice().Image,
					Argv:   mysqlFast,
					Env:    []string{"MYSQL_ROOT_PASSWORD=" + at.password("root")},
					Mounts: []driver.Mount{{Source: at.volume(), Target: "/var/lib/mysql"}},
				}, nil
			},
			ready: mysqlReady, prepare: mysqlPrepare, endpoint: mysqlEndpoint,
		},
		{
			Name: "mariadb", Runtime: Native, Programs: []string{"mariadbd", "mariadb-install-db"},
			Packages: []Package{{"apt-get", "mariadb-server"}, {"dnf", "mariadb-server"}, {"apk", "mariadb"}, {"pacman", "mariadb"}, {"brew", "mariadb"}},
			Listens:  []stack.Listen{{Name: "mysql"}},
			setup:    mysqlSetup, unit: mysqlNative, ready: mysqlReady, prepare: mysqlPrepare, endpoint: mysqlEndpoint,
		},
	},
	StandIn: []*Recipe{sqlite},
}

// mysqlFast trades safety after a power cut for speed: the data is a developer's.
var mysqlFast = []string{"--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0", "--skip-log-bin"}

// mysqlSetup gives the server a copy of the template, and the statements that it runs before it opens
// its port: root has no password and no port to use it on.
func mysqlSetup(ctx context.Context, at site) error {
	o, err := at.owner()
	if err != nil {
		return err
	}
	template, err := at.template(ctx, "mariadbd", func(dir string) error {
		return at.command(ctx, dir, nil, at.program("mariadb-install-db"), "--no-defaults", "--datadir="+dir,
			"--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve")
	})
	if err != nil {
		return err
	}
	if err := at.fromTemplate(template, at.file("data")); err != nil {
		return err
	}
	who, password := "'root'@'"+host+"'", at.password("root")
	return writeFile(at.file("init.sql"), fmt.Appendf(nil, // one statement a line
		"CREATE USER IF NOT EXISTS %s IDENTIFIED BY '%s';\nALTER USER %s IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO %s WITH GRANT OPTION;\n",
		who, password, who, password, who), o)
}

// mysqlNative names the socket without a folder, which means the data folder, however long its path.
func mysqlNative(at site) (driver.Unit, error) {
	argv := []string{at.program("mariadbd"), "--no-defaults", "--datadir=" + at.file("data"), "--port=" + strconv.Itoa(at.port()),
		"--bind-address=" + host, "--socket=mysqld.sock", "--pid-file=" + at.file("pid"), "--init-file=" + at.file("init.sql"),
		"--skip-name-resolve", "--innodb-log-file-size=16M", "--innodb-buffer-pool-size=64M", "--character-set-server=utf8mb4"}
	return at.native(append(argv, mysqlFast...)), nil
}

func mysqlConnect(at site) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.Logger = "root", at.password("root"), "tcp", at.addr(), &mysql.NopLogger{}
	c.DialFunc = quick.DialContext
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func mysqlReady(ctx context.Context, at site) error {
	db, err := mysqlConnect(at)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}

func mysqlPrepare(ctx context.Context, at site, c Choice) error {
	db, err := mysqlConnect(at)
	if err != nil {
		return err
	}
	defer db.Close()
	e := mysqlEndpoint(at, c)
	who := fmt.Sprintf("'%s'@'%%'", e.User) // neither the name nor the password holds what needs quoting
	for _, s := range []string{
		fmt.Sprintf("CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4", e.Database),
		fmt.Sprintf("CREATE USER IF NOT EXISTS %s IDENTIFIED BY '%s'", who, e.Password),
		fmt.Sprintf("ALTER USER %s IDENTIFIED BY '%s'", who, e.Password),
		fmt.Sprintf("GRANT ALL ON `%s`.* TO %s", mysqlPattern(e.Database), who),
	} {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func mysqlEndpoint(at site, c Choice) Endpoint {
	name, password := mysqlName(c.Resource.Name), at.password(c.Resource.Name)
	return Endpoint{
		URL:  sqlURL("mysql", name, password, at.addr(), name, ""),
		Host: host, Port: at.port(), User: name, Password: password, Database: name,
	}
}
