package proxy

import (
	"bytes"
	"encoding/binary"
	"strings"

	"msctl.dev/msctl/internal/proxy/sniff"
)

// amqpTalk is AMQP 0-9-1. A message is its method, its header and its body. Where messages are dropped or
// doubled, the numbers by which the server confirms them are no longer those of the caller: they are changed
// on their way back.
type amqpTalk struct {
	channels map[uint16]*amqpLane
	taken    map[amqpTaken]string // routing keys of what the caller was given
	whole    bool                 // cut has found a message with all its parts

	hold []byte // of the callee's frame
}

type amqpTaken struct {
	channel uint16
	tag     uint64
}

// amqpLane is one channel.
type amqpLane struct {
	confirm bool
	base    uint64 // numbers up to it are the same on both sides
	caller  uint64 // newest number, as the caller counts
	callee  uint64 // as the callee does
	shifted bool   // they have differed
	late    bool   // the newest one goes after the next
	waits   []amqpPair

	open bool  // the callee is in the middle of a message
	left int64 // bytes of its body; -1: its header comes
	owed []byte
}

// amqpPair is a message that waits to be confirmed: its number for the callee and for the caller, 0 for none.
type amqpPair struct{ callee, caller uint64 }

// Methods of AMQP.
const (
	amqpChannelOpen  = 20<<16 | 10
	amqpChannelClose = 20<<16 | 40
	amqpPublish      = 60<<16 | 40
	amqpReturn       = 60<<16 | 50
	amqpDeliver      = 60<<16 | 60
	amqpGetOK        = 60<<16 | 71
	amqpAck          = 60<<16 | 80
	amqpNack         = 60<<16 | 120
	amqpConfirm      = 85<<16 | 10
)

// amqpTakenMost bounds the deliveries that are remembered.
const amqpTakenMost = 4096

func newAMQPTalk(published map[uint16]uint64) *amqpTalk {
	t := &amqpTalk{channels: map[uint16]*amqpLane{}, taken: map[amqpTaken]string{}}
	for id, n := range published {
		t.channels[id] = &amqpLane{confirm: true, base: n, caller: n, callee: n}
	}
	return t
}

func (t *amqpTalk) lane(id uint16) *amqpLane {
	if t.channels[id] == nil {
		t.channels[id] = &amqpLane{}
	}
	return t.channels[id]
}

// amqpFrame is one frame.
type amqpFrame struct {
	kind    byte
	channel uint16
	payload []byte
	size    int // of the frame; 0: it is not all there
}

func readFrame(b []byte) (f amqpFrame, err error) {
	if len(b) < 7 {
		return f, nil
	}
	n := int(binary.BigEndian.Uint32(b[3:]))
	if b[0] != 1 && b[0] != 2 && b[0] != 3 && b[0] != 8 || n > maxTalk {
		return f, errTalk
	}
	if len(b) < n+8 {
		return f, nil
	}
	return amqpFrame{b[0], binary.BigEndian.Uint16(b[1:]), b[7 : 7+n], n + 8}, nil
}

// method returns class and method, 0 where the frame is none.
func (f *amqpFrame) method() uint32 {
	if f.kind != 1 || len(f.payload) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(f.payload)
}

// cut takes a frame, and with one that publishes those of its message. Where something else comes between
// them, or there are too many, the message passes in its parts.
func (t *amqpTalk) cut(b []byte) (int, error) {
	f, err := readFrame(b)
	t.whole = false
	if err != nil || f.size == 0 || f.method() != amqpPublish {
		return f.size, err
	}
	at, left := f.size, int64(-1)
	for left != 0 {
		part, err := readFrame(b[at:])
		switch {
		case err != nil:
			return 0, err
		case part.size == 0 && at < maxTalk:
			return 0, nil
		case part.size == 0 || part.channel != f.channel || (left < 0) != (part.kind == 2) || left > 0 && part.kind != 3:
			return f.size, nil
		case left < 0 && len(part.payload) < 12:
			return 0, errTalk
		case left < 0:
			left = int64(binary.BigEndian.Uint64(part.payload[4:]))
		default:
			left -= int64(len(part.payload))
		}
		at += part.size
	}
	t.whole = true
	return at, nil
}

func (t *amqpTalk) describe(m []byte, q *Request) bool {
	f, _ := readFrame(m)
	switch l := t.lane(f.channel); f.method() {
	case amqpChannelOpen, amqpChannelClose:
		delete(t.channels, f.channel)
	case amqpConfirm:
		*l = amqpLane{confirm: true, open: l.open, left: l.left}
	case amqpPublish:
		if !t.whole {
			l.count(true)
			return false
		}
		a := amqpArgs{f.payload[6:]}
		exchange, key := a.short(), a.short()
		q.Method, q.Path = "PUBLISH", strings.TrimPrefix(exchange+"/"+key, "/")
		q.Name = "publish " + strings.Trim(sniff.Shape([]byte(exchange))+"/"+sniff.Shape([]byte(key)), "/")
		header := m[f.size:]
		if i := bytes.Index(header, []byte("\x0btraceparentS\x00\x00\x00\x37")); i >= 0 && len(header) >= i+17+traceparentSize {
			if o, ok := parseTraceparent(header[i+17 : i+17+traceparentSize]); ok {
				q.Trace = o.trace
			}
		}
		return true
	case amqpAck:
		if len(f.payload) >= 13 {
			key := t.taken[amqpTaken{f.channel, binary.BigEndian.Uint64(f.payload[4:])}]
			q.Method, q.Path, q.Name = "ACK", key, "process "+sniff.Shape([]byte(key))
			return true
		}
	}
	return false
}

// amqpArgs reads the arguments of a method.
type amqpArgs struct{ b []byte }

func (a *amqpArgs) short() string {
	if len(a.b) == 0 || len(a.b) < 1+int(a.b[0]) {
		a.b = nil
		return ""
	}
	n := 1 + int(a.b[0])
	s := string(a.b[1:n])
	a.b = a.b[n:]
	return s
}

// count counts a message that the caller published. Where it is sent it waits to be confirmed.
func (l *amqpLane) count(sent bool) {
	if !l.confirm {
		return
	}
	if l.caller++; !sent {
		l.shifted = true
		return
	}
	l.callee++
	l.waits = append(l.waits, amqpPair{l.callee, l.caller})
	if n := len(l.waits); l.late && n > 1 {
		l.waits[n-1].callee, l.waits[n-2].callee = l.waits[n-2].callee, l.waits[n-1].callee
	}
	l.late = false
}

// caught notes that what was late was sent before anything else.
func (t *amqpTalk) caught() {
	for _, l := range t.channels {
		l.late = false
	}
}

// passes counts a message that no fault acts on.
func (t *amqpTalk) passes(m []byte) {
	f, _ := readFrame(m)
	if f.method() == amqpPublish {
		t.lane(f.channel).count(true)
	}
}

func (t *amqpTalk) instead(m []byte, p *plan) (up, down []byte) {
	f, _ := readFrame(m)
	if f.method() == amqpAck {
		if !p.Again {
			return m, nil
		}
		return amqpSettle(amqpNack, f.channel, binary.BigEndian.Uint64(f.payload[4:]), f.payload[12]&1|2), nil
	}
	l := t.lane(f.channel)
	switch {
	case p.Drop:
		l.count(false)
		if p.Confirm && l.confirm {
			down = amqpSettle(amqpAck, f.channel, l.caller, 0)
		}
		if l.open {
			l.owed, down = append(l.owed, down...), nil
		}
		return nil, down
	case p.Twice:
		if l.confirm {
			l.callee, l.shifted = l.callee+1, true
			l.waits = append(l.waits, amqpPair{l.callee, 0})
		}
		m = append(append([]byte(nil), m...), m...)
	}
	l.count(true)
	if p.Swap && l.confirm {
		l.late, l.shifted = true, true
	}
	return m, nil
}

// amqpSettle is a frame that confirms or refuses.
func amqpSettle(method uint32, channel uint16, tag uint64, flags byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{1}, channel)
	b = binary.BigEndian.AppendUint32(b, 13)
	b = binary.BigEndian.AppendUint32(b, method)
	b = binary.BigEndian.AppendUint64(b, tag)
	return append(b, flags, 0xCE)
}

func (t *amqpTalk) down(b []byte, _ func(*Request) *plan) (out []byte, rows int) {
	b = append(t.hold, b...)
	t.hold = nil
	for len(b) > 0 {
		f, err := readFrame(b)
		if err != nil {
			return append(out, b...), 0
		}
		if f.size == 0 {
			t.hold = b
			break
		}
		out = append(out, t.frame(f, b[:f.size])...)
		b = b[f.size:]
	}
	return out, 0
}

// frame returns what the caller gets of a frame.
func (t *amqpTalk) frame(f amqpFrame, raw []byte) []byte {
	l := t.lane(f.channel)
	switch {
	case f.kind == 2 && l.open && len(f.payload) >= 12:
		l.left = int64(binary.BigEndian.Uint64(f.payload[4:]))
	case f.kind == 3 && l.open:
		l.left -= int64(len(f.payload))
	}
	switch f.method() {
	case amqpDeliver:
		t.take(f)
		l.open, l.left = true, -1
	case amqpGetOK, amqpReturn:
		l.open, l.left = true, -1
	case amqpAck, amqpNack:
		if l.confirm && len(f.payload) >= 13 {
			return l.confirmed(f, raw)
		}
	}
	if l.open && l.left == 0 {
		l.open = false
		raw = append(append([]byte(nil), raw...), l.owed...)
		l.owed = nil
	}
	return raw
}

// take remembers what the caller was given.
func (t *amqpTalk) take(f amqpFrame) {
	a := amqpArgs{f.payload[4:]}
	a.short()
	if len(a.b) < 9 {
		return
	}
	tag := binary.BigEndian.Uint64(a.b)
	a.b = a.b[9:]
	a.short()
	if len(t.taken) >= amqpTakenMost {
		clear(t.taken)
	}
	t.taken[amqpTaken{f.channel, tag}] = a.short()
}

// confirmed returns what the caller is told where the callee confirms or refuses messages, by the caller's
// numbers. What a fault dropped is not confirmed with those behind it.
func (l *amqpLane) confirmed(f amqpFrame, raw []byte) []byte {
	tag, flags := binary.BigEndian.Uint64(f.payload[4:]), f.payload[12]
	multiple := flags&1 != 0
	var told []amqpPair
	kept := l.waits[:0]
	for _, w := range l.waits {
		if w.callee == tag || multiple && (w.callee <= tag || tag == 0) {
			told = append(told, w)
		} else {
			kept = append(kept, w)
		}
	}
	l.waits = kept
	if !l.shifted || len(told) == 0 {
		return raw
	}
	var out []byte
	if multiple && l.base > 0 {
		out = amqpSettle(f.method(), f.channel, l.base, flags)
	}
	for _, w := range told {
		if w.caller > 0 {
			out = append(out, amqpSettle(f.method(), f.channel, w.caller, flags&^1)...)
		}
	}
	return out
}

func (t *amqpTalk) rest() []byte { return t.hold }

func (t *amqpTalk) resting() bool {
	for _, l := range t.channels {
		if l.shifted || l.open || len(l.owed) > 0 {
			return false
		}
	}
	return len(t.hold) == 0
}
