package proxy

import (
	"bytes"
	"context"
	"errors"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2conn is one connection that speaks HTTP/2: the caller's, or one to a target. Its reader owns wire and what
// frames reads; all else, and what frames writes, is guarded by h2caller.mu.
type h2conn struct {
	x      *h2caller
	target *target // nil: it is the caller's
	wire   *wire
	frames *http2.Framer
	enc    *hpack.Encoder
	block  bytes.Buffer // what enc writes

	box      *[]byte // where out came from
	out      []byte  // to be sent
	flushing bool
	dirty    bool // it is in x.dirty

	streams map[uint32]*h2stream // by the number that they have here
	waits   map[*h2way]struct{}  // have data that this connection did not take
	resizes rate
	last    uint32 // number of the newest
	seen    uint32 // what last was at the latest sweep
	most    uint32 // streams that the target takes at once
	window  int64  // bytes that the peer takes of all streams
	initial int64  // bytes that it takes of a new one
	frame   int    // longest frame that it takes
	granted int64  // bytes that it may send
	owed    int64  // bytes that were passed on and not granted anew

	known    bool          // its settings came
	ready    chan struct{} // closed when known is set or the connection has ended
	leaving  bool          // it takes no new stream
	err      error         // why it has ended
	farewell *time.Timer
}

func (x *h2caller) newConn(w *wire, t *target) *h2conn {
	c := &h2conn{
		x: x, target: t, wire: w, streams: map[uint32]*h2stream{}, waits: map[*h2way]struct{}{}, most: h2Streams, window: 65535, initial: 65535,
		frame: 16 << 10, granted: h2ConnBuffer, ready: make(chan struct{}),
	}
	c.frames = http2.NewFramer(c, h2reader{c})
	c.frames.SetReuseFrames()
	c.frames.SetMaxReadFrameSize(h2Frame)
	c.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.frames.MaxHeaderListSize = maxHead
	c.enc = hpack.NewEncoder(&c.block)
	return c
}

// greet writes what is said first.
func (c *h2conn) greet() {
	settings := []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: h2StreamBuffer},
		{ID: http2.SettingMaxFrameSize, Val: h2Frame}, {ID: http2.SettingMaxHeaderListSize, Val: maxHead}}
	if c.target == nil {
		settings = append(settings, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: h2Streams})
	} else {
		_, _ = c.Write([]byte(http2.ClientPreface))
		settings = append(settings, http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	}
	_ = c.frames.WriteSettings(settings...)
	_ = c.frames.WriteWindowUpdate(0, h2ConnBuffer-65535)
}

// serve reads frames until the connection ends, and says why it did.
func (c *h2conn) serve(ctx context.Context) error {
	c.x.mu.Lock()
	c.greet()
	c.x.mu.Unlock()
	for {
		f, err := c.readFrame()
		c.x.mu.Lock()
		var stream http2.StreamError
		switch {
		case err == nil:
			err = c.take(ctx, f)
		case errors.As(err, &stream):
			err = c.malformed(stream)
		}
		if code, ok := codeOf(err); ok {
			_ = c.frames.WriteGoAway(c.last, code, nil)
			c.x.mu.Unlock()
			c.x.flush()
			return err
		}
		c.x.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// malformed resets a stream whose frame is against the rules.
func (c *h2conn) malformed(err http2.StreamError) error {
	s := c.streams[err.StreamID]
	switch {
	case s == nil && c.target == nil && err.StreamID > c.last:
		c.last = err.StreamID
		fallthrough
	case s == nil:
		c.reset(err.StreamID, err.Code)
	default:
		return s.spoil(c, err.Code)
	}
	return nil
}

// take takes one frame.
func (c *h2conn) take(ctx context.Context, f http2.Frame) error {
	settings, ok := f.(*http2.SettingsFrame)
	if !c.known && (!ok || settings.IsAck()) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.frames.WritePing(true, f.Data)
		}
		return nil
	case *http2.WindowUpdateFrame:
		return c.widen(f)
	case *http2.DataFrame:
		return c.data(f)
	}
	if c.target == nil {
		return c.x.fromCaller(ctx, f)
	}
	return c.fromTarget(ctx, f)
}

func (c *h2conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	err := f.ForeachSetting(func(one http2.Setting) error {
		if err := one.Valid(); err != nil {
			return err
		}
		switch one.ID {
		case http2.SettingHeaderTableSize:
			c.enc.SetMaxDynamicTableSizeLimit(min(one.Val, 64<<10))
			c.enc.SetMaxDynamicTableSize(min(one.Val, 4096))
		case http2.SettingMaxConcurrentStreams:
			c.most = one.Val
		case http2.SettingMaxFrameSize:
			c.frame = int(min(one.Val, h2Frame))
		case http2.SettingInitialWindowSize:
			return c.resize(int64(one.Val))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !c.known {
		c.known = true
		close(c.ready)
		if c.target == nil {
			_ = c.wire.conn.SetReadDeadline(time.Time{})
		}
	}
	return c.frames.WriteSettingsAck()
}

const h2MaxWindow = 1<<31 - 1

// resize changes what the peer takes of each stream. It looks at all of them, so that a peer may not ask for it
// again and again.
func (c *h2conn) resize(to int64) error {
	by := to - c.initial
	c.initial = to
	switch {
	case by == 0:
		return nil
	case c.resizes.over(h2Resizes):
		return errRapid
	}
	for _, s := range c.streams {
		w := s.toward(c)
		if w.window += by; w.window > h2MaxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		w.push(nil)
	}
	return nil
}

// widen takes what the peer grants.
func (c *h2conn) widen(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if c.window += int64(f.Increment); c.window > h2MaxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.resume()
		return nil
	}
	s := c.streams[f.StreamID]
	switch {
	case s == nil && c.isIdle(f.StreamID):
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case s == nil:
		return nil
	}
	w := s.toward(c)
	if w.window += int64(f.Increment); w.window > h2MaxWindow {
		return s.spoil(c, http2.ErrCodeFlowControl)
	}
	w.push(nil)
	return nil
}

// isIdle reports a stream that was never opened.
func (c *h2conn) isIdle(id uint32) bool { return id > c.last || id%2 == 0 }

// data takes a piece of a body.
func (c *h2conn) data(f *http2.DataFrame) error {
	n := int64(f.Length)
	if c.granted -= n; c.granted < 0 {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	s := c.streams[f.StreamID]
	switch {
	case s == nil && c.isIdle(f.StreamID):
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case s == nil:
		c.owe(n)
		return nil
	}
	if code := s.from(c).take(f); code != http2.ErrCodeNo {
		return s.spoil(c, code)
	}
	return nil
}

// owe notes bytes that the peer may send anew, and tells it when they are many.
func (c *h2conn) owe(n int64) {
	if c.owed += n; c.owed >= h2ConnBuffer/4 {
		_ = c.frames.WriteWindowUpdate(0, uint32(c.owed))
		c.granted += c.owed
		c.owed = 0
	}
}

// resume sends what streams hold because the connection took no more, as far as it takes it now.
func (c *h2conn) resume() {
	for w := range c.waits {
		if c.window <= 0 || len(c.out) >= h2Room {
			return
		}
		delete(c.waits, w)
		w.push(nil)
	}
}

// heads writes the fields of a head, or of trailers.
func (c *h2conn) heads(id uint32, fields []hpack.HeaderField, end bool) {
	c.block.Reset()
	for _, f := range fields {
		_ = c.enc.WriteField(f)
	}
	const most = 16 << 10
	b := c.block.Bytes()
	n := min(len(b), most)
	_ = c.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:n], EndStream: end, EndHeaders: n == len(b)})
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = min(len(b), most)
		_ = c.frames.WriteContinuation(id, n == len(b), b[:n])
	}
}

func (c *h2conn) reset(id uint32, code http2.ErrCode) { _ = c.frames.WriteRSTStream(id, code) }

// Write keeps bytes until they are sent.
func (c *h2conn) Write(b []byte) (int, error) {
	if c.out == nil {
		c.box = buffers.Get().(*[]byte)
		c.out = (*c.box)[:0]
	}
	c.out = append(c.out, b...)
	if !c.dirty {
		c.dirty = true
		c.x.dirty = append(c.x.dirty, c)
	}
	return len(b), nil
}

// flush sends what waits, as far as the connection takes it at once. The rest is sent aside, so that nobody waits
// for a peer that does not read.
func (c *h2conn) flush() {
	if c.target != nil && len(c.out) > h2Stuck {
		c.wire.conn.Close()
	}
	if c.flushing {
		return
	}
	c.flushing = true
	for len(c.out) > 0 {
		b, box := c.out, c.box
		c.out, c.box = nil, nil
		c.x.mu.Unlock()
		n, err := c.wire.writeSome(b)
		c.x.mu.Lock()
		if err == nil && n < len(b) {
			c.x.works.Go(func() { c.drain(b, n, box) })
			return
		}
		c.wrote(n, err, box)
	}
	c.flushing = false
}

// drain sends the rest of b behind its first n bytes, and then what else waits.
func (c *h2conn) drain(b []byte, n int, box *[]byte) {
	m, err := c.wire.write(b[n:])
	c.x.mu.Lock()
	defer c.x.mu.Unlock()
	c.wrote(n+m, err, box)
	c.flushing = false
	c.flush()
}

// wrote takes the end of a write.
func (c *h2conn) wrote(n int, err error, box *[]byte) {
	buffers.Put(box)
	if c.target == nil {
		c.x.e.count.received.Add(int64(n))
	}
	if err != nil && c.err == nil {
		c.err = err
		c.wire.conn.Close() // its reader sees to the rest
	}
	c.resume()
	c.x.sent.Broadcast()
}
