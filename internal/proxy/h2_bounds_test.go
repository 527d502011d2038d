package proxy

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestH2WindowOfOthers checks that streams which end while their answers wait for the caller cost the others nothing:
// what was granted to the target for them is granted anew.
func TestH2WindowOfOthers(t *testing.T) {
	for name, end := range map[string]func(f *frames, id uint32){
		"the caller leaves":      func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeCancel) },
		"the caller is at fault": func(f *frames, id uint32) { f.WriteData(id, true, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			_, _, base := h2Web(t, func(w http.ResponseWriter, r *http.Request) {
				for b := make([]byte, 32<<10); r.Header.Get("Last") == ""; {
					if _, err := w.Write(b); err != nil {
						return
					}
				}
				io.WriteString(w, "last")
			})
			f := h2Dial(t, base)
			last := uint32(16*h2ConnBuffer/h2StreamBuffer + 1)
			for id := uint32(1); id < last; id += 2 {
				f.get(id, true)
				for n := 65535; n > 0; { // all that the caller takes
					n -= len(f.body(t, id))
				}
				end(f, id)
				f.WriteWindowUpdate(0, 65535)
			}
			f.get(last, true, "last", "1")
			if got := string(f.body(t, last)); got != "last" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// body returns the next piece of a stream's body.
func (f *frames) body(t *testing.T, id uint32) []byte {
	for {
		got, ok := f.await(http2.FrameData).(*http2.DataFrame)
		switch {
		case !ok:
			t.Fatalf("stream %d gets no more", id)
		case got.StreamID == id:
			return got.Data()
		}
	}
}

// TestH2NoStreams checks that a target which takes no streams at all is not called again and again.
func TestH2NoStreams(t *testing.T) {
	var conns atomic.Int32
	_, r, addr := h2Target(t, func(n int, f *frames) {
		if conns.Store(int32(n)); n > 100 {
			return // end the test, not the machine
		}
		f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		f.await(http2.FrameHeaders)
	})
	f := h2Dial(t, addr)
	f.get(1, true)
	if got := f.next(); got != "head 502" || conns.Load() != 1 {
		t.Errorf("got %q after %d connections", got, conns.Load())
	}
	if call := r.wait(t, 1)[0]; call.Err != "connect payments: it takes no streams" {
		t.Errorf("got %q", call.Err)
	}
}

// TestH2Resizes checks that a peer may not have the edge look at all streams again and again (CVE-2019-9515).
func TestH2Resizes(t *testing.T) {
	_, _, base := h2Web(t, func(http.ResponseWriter, *http.Request) {})
	f := h2Dial(t, base)
	go func() {
		for i := range uint32(100_000) {
			if f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 + i%2}) != nil {
				return
			}
		}
	}()
	f.conn.SetReadDeadline(time.Now().Add(patience))
	if got := f.await(http2.FrameGoAway); got == nil || got.(*http2.GoAwayFrame).ErrCode != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("got %v, want a GOAWAY that asks for calm", got)
	}
}

// TestH2Resume checks that what a connection takes anew goes to the streams that wait, and no others are looked at.
func TestH2Resume(t *testing.T) {
	x := &h2caller{e: &Edge{}}
	c := x.newConn(nil, nil)
	x.conn = c
	c.window = 0
	for id := uint32(1); id < 2*h2Streams; id += 2 {
		s := &h2stream{x: x, up: h2way{sent: true}}
		s.down = h2way{s: s, to: c, id: id, window: 1 << 20}
		c.streams[id] = s
		if id%4 == 1 {
			s.down.push([]byte("ab"))
		}
	}
	if got, want := len(c.waits), h2Streams/2; got != want {
		t.Fatalf("%d wait, want %d", got, want)
	}
	c.window = 3
	c.resume()
	moved := 0
	for _, s := range c.streams {
		moved += int(s.down.moved)
	}
	if got, want := len(c.waits), h2Streams/2-1; moved != 3 || got != want {
		t.Errorf("%d bytes sent, %d wait; want 3 and %d", moved, got, want)
	}
	for id, s := range c.streams {
		s.forget()
		delete(c.streams, id)
	}
	if len(c.waits) != 0 {
		t.Errorf("%d streams that are gone wait", len(c.waits))
	}
}
