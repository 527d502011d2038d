package keeper

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// lifeline is the socket to the supervisor. Nothing that goes wrong with it concerns the unit: what is said
// is written beside it, so that a supervisor that does not listen holds up nothing.
type lifeline struct {
	conn    net.Conn      // nil where there is none
	lost    chan struct{} // closed when the supervisor is gone
	words   chan []byte   // on their way
	written chan struct{} // closed when all words were written

	mu    sync.Mutex // guards ended, and that nothing is said after it
	ended bool
}

// maxWords is how many messages wait for a supervisor that does not listen; those that come after are lost.
// The record on disk says what it must know.
const maxWords = 64

// lastWords is how long the keeper stays, when all is done, for what it has said to arrive.
const lastWords = 3 * time.Second

func dial() *lifeline {
	f := os.NewFile(socketFD, "lifeline")
	defer f.Close() // FileConn has its own, which children do not inherit
	conn, _ := net.FileConn(f)
	return newLifeline(conn)
}

// newLifeline speaks over conn, or to nobody where it is nil. end ends it.
func newLifeline(conn net.Conn) *lifeline {
	l := &lifeline{conn: conn, lost: make(chan struct{}), words: make(chan []byte, maxWords), written: make(chan struct{})}
	if conn == nil {
		close(l.lost)
		close(l.written)
		return l
	}
	go func() {
		defer close(l.lost)
		io.Copy(io.Discard, conn)
	}()
	go func() {
		defer close(l.written)
		for b := range l.words {
			conn.Write(b)
		}
	}()
	return l
}

// send tells the supervisor, unless it is gone or does not listen. It never waits.
func (l *lifeline) send(m Message) {
	b, err := json.Marshal(m)
	if err != nil || l.conn == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	select {
	case l.words <- append(b, '\n'):
	default:
	}
}

// end waits a little for what was said to arrive.
func (l *lifeline) end() {
	l.mu.Lock()
	if !l.ended {
		l.ended = true
		close(l.words)
	}
	l.mu.Unlock()
	select {
	case <-l.written:
	case <-l.lost:
	case <-time.After(lastWords):
	}
}
