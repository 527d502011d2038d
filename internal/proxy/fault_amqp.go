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

	hold    []byte // of the callee's frame
	skip    int    // bytes of one that is too long to be held, and are still to come
	skipped uint16 // its channel
}

type amqpTaken struct {
	channel uint16
	tag     uint64
}

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
	size    int  // of the frame; 0: even that is not there
	whole   bool // all of it is there, and payload set
}

func readFrame(b []byte) (f amqpFrame, err error) {
	if len(b) < 7 {
		return f, nil
	}
	if b[0] != 1 && b[0] != 2 && b[0] != 3 && b[0] != 8 {
		return f, errTalk
	}
	f = amqpFrame{kind: b[0], channel: binary.BigEndian.Uint16(b[1:]), size: 8 + int(binary.BigEndian.Uint32(b[3:]))}
	if f.whole = len(b) >= f.size; f.whole {
		f.payload = b[7 : f.size-1]
	}
	return f, nil
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
	switch {
	case err != nil || f.size > maxTalk:
		return f.size, err
	case !f.whole:
		return 0, nil
	case f.method() != amqpPublish:
		return f.size, nil
	case len(f.payload) < 6:
		return 0, errTalk
	}
	at, left := f.size, int64(-1)
	for left != 0 {
		part, err := readFrame(b[at:])
		switch {
		case err != nil:
			return 0, err
		case part.size > 0 && (part.channel != f.channel || (left < 0) != (part.kind == 2) || left > 0 && part.kind != 3):
			return f.size, nil
		case at+part.size > maxTalk, int64(at)+left > maxTalk:
			return f.size, nil
		case !part.whole:
			return 0, nil
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
			t.caught() // it does not go before that
			l.publish(1, false)
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

// caught numbers what was late: it is sent now.
func (t *amqpTalk) caught() {
	for _, l := range t.channels {
		l.send(l.late)
		l.late = nil
	}
}

// passes counts a message that no fault acts on.
func (t *amqpTalk) passes(m []byte) {
	f, _ := readFrame(m)
	if f.method() == amqpPublish {
		t.lane(f.channel).publish(1, false)
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
	if !p.Drop {
		copies := 1
		if p.Twice {
			copies = 2
		}
		l.publish(copies, p.Swap)
		return bytes.Repeat(m, copies), nil
	}
	l.publish(0, false)
	if p.Confirm && l.confirm {
		down = amqpSettle(amqpAck, f.channel, l.caller, 0)
	}
	if l.open {
		l.owed, down = append(l.owed, down...), nil
	}
	return nil, down
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
		if t.skip > 0 {
			n := min(t.skip, len(b))
			out, b = append(out, b[:n]...), b[n:]
			if t.skip -= n; t.skip == 0 {
				out = append(out, t.lane(t.skipped).over()...)
			}
			continue
		}
		f, err := readFrame(b)
		switch {
		case err != nil:
			return append(out, b...), 0
		case f.size > maxTalk:
			t.lane(f.channel).comes(f)
			t.skip, t.skipped = f.size, f.channel
			continue
		case !f.whole:
			t.hold = b
			return out, 0
		}
		out = append(out, t.frame(f, b[:f.size])...)
		out = append(out, t.lane(f.channel).over()...)
		b = b[f.size:]
	}
	return out, 0
}

// frame returns what the caller gets of a frame.
func (t *amqpTalk) frame(f amqpFrame, raw []byte) []byte {
	l := t.lane(f.channel)
	l.comes(f)
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

func (t *amqpTalk) rest() []byte { return t.hold }

func (t *amqpTalk) resting() bool {
	for _, l := range t.channels {
		if l.shifted || l.open || len(l.owed) > 0 {
			return false
		}
	}
	return len(t.hold) == 0 && t.skip == 0
}
