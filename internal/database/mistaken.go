package database

import (
	"errors"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
)

// Mistaken reports an error of a database that did not understand the statement, or does not know what it names. The
// database itself is well.
func Mistaken(err error) bool {
	if e := (*pgconn.ConnectError)(nil); errors.As(err, &e) {
		return false // whatever the server said to it
	}
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return strings.HasPrefix(e.Code, "42") // syntax error or access rule violation
	}
	if e := (*sqlitedriver.Error)(nil); errors.As(err, &e) {
		return e.Code()&0xff == 1 // SQLITE_ERROR
	}
	e := (*mysql.MySQLError)(nil)
	return errors.As(err, &e) && slices.Contains(mysqlMistakes, e.Number)
}

// mysqlMistakes are MySQL's numbers of an unknown column, a syntax error, an unknown table and an unknown function. Its
// SQLSTATE 42000 is also that of a limit of connections, which is no mistake.
var mysqlMistakes = []uint16{1054, 1064, 1146, 1305}
