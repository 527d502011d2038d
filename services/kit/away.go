package kit

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
)

// ErrBusy says that others were in the way for as long as it was tried.
var ErrBusy = errors.New("others are in the way")

// ErrSilent says that what a service needs behind it has not answered when a connection to it was to be made.
var ErrSilent = errors.New("no answer")

// Away reports whether err says that what a service needs behind it, such as its database, is not
// there, or that the connection to it broke: the same may succeed in a moment. What has been sent may have
// been done all the same.
//
// A statement that had no answer when its context ended is not among them: whose time was short, and whether the
// database hangs, only the caller knows. That is context.DeadlineExceeded.
func Away(err error) bool {
	var wire *net.OpError // dials, reads and writes; a name that is not found is one as well
	if errors.As(err, &wire) {
		return true
	}
	// ErrBusy and ErrSilent, and how drivers and clients tell of a connection that has ended.
	for _, ended := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn, sql.ErrConnDone, ErrBusy, ErrSilent} {
		if errors.Is(err, ended) {
			return true
		}
	}
	var state interface{ SQLState() string } // of what the server itself said
	return errors.As(err, &state) && passingState(state.SQLState())
}

// Unanswered reports whether err leaves open if what was asked was done: who was asked is [Away], or the time to wait
// for the answer is over.
func Unanswered(err error) bool {
	return Away(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// passingState reports whether a database that answers with that SQLSTATE may do the same later: it is
// starting, stopping or full of connections, or others are in the way.
func passingState(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03", // admin_shutdown, crash_shutdown, cannot_connect_now
		"57P05",          // idle_session_timeout
		"53300",          // too_many_connections
		"40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return strings.HasPrefix(code, "08") // connection exceptions
}
