package keeper

import (
	"bufio"
	"encoding/json"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestLifelineNeverWaits speaks to a supervisor that does not listen: the keeper, which may have to end its
// unit just now, is not held up. Who listens late hears what was said first.
func TestLifelineNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		supervisor, conn := net.Pipe() // without any buffer
		l := newLifeline(conn)
		begun := time.Now()
		for range 2 * maxWords {
			l.send(Message{Notice: "no room on the disk"})
		}
		if d := time.Since(begun); d != 0 {
			t.Errorf("waited %v", d)
		}
		heard := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for lines := bufio.NewScanner(supervisor); lines.Scan(); heard++ {
				var m Message
				if err := json.Unmarshal(lines.Bytes(), &m); err != nil || m.Notice == "" {
					t.Errorf("heard %q", lines.Text())
				}
			}
		}()
		l.end()
		conn.Close()
		<-done
		if heard < maxWords {
			t.Errorf("heard %d messages, want at least %d", heard, maxWords)
		}
		supervisor.Close()
	})
}

// TestLifelineEnds ends with a supervisor that never listens, within the time of the last words.
func TestLifelineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		supervisor, conn := net.Pipe()
		l := newLifeline(conn)
		l.send(Message{Notice: "unheard"})
		begun := time.Now()
		l.end()
		l.send(Message{Notice: "too late"})
		if d := time.Since(begun); d != lastWords {
			t.Errorf("ended after %v, want %v", d, lastWords)
		}
		supervisor.Close()
		conn.Close()
	})
}
