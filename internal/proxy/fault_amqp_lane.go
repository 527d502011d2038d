package proxy

import "encoding/binary"

// amqpLane is one channel. A message gets its number for the callee when it is sent: what faults do to those before
// it is known then.
type amqpLane struct {
	confirm bool
	base    uint64   // numbers up to it are the same on both sides
	caller  uint64   // newest number, as the caller counts
	callee  uint64   // as the callee does
	shifted bool     // they have differed
	late    []uint64 // numbers of the caller, of what is sent after the next message
	waits   []amqpPair

	open bool  // the callee is in the middle of a message
	left int64 // bytes of its body; -1: its header comes
	owed []byte
}

// amqpPair is a message that waits to be confirmed: its number for the callee and for the caller, 0 for none.
type amqpPair struct{ callee, caller uint64 }

// publish counts a message of the caller of which so many copies are sent, now or late. The caller is told with the
// last of them.
func (l *amqpLane) publish(copies int, late bool) {
	if !l.confirm {
		return
	}
	l.caller++
	l.shifted = l.shifted || late || copies != 1
	if copies == 0 {
		return
	}
	numbers := append(make([]uint64, copies-1), l.caller)
	if late {
		l.late = numbers
		return
	}
	l.send(numbers)
}

// send gives messages their numbers for the callee.
func (l *amqpLane) send(caller []uint64) {
	for _, n := range caller {
		l.callee++
		l.waits = append(l.waits, amqpPair{l.callee, n})
	}
}

// comes follows the messages of the callee.
func (l *amqpLane) comes(f amqpFrame) {
	switch {
	case f.kind == 2 && l.open && len(f.payload) >= 12:
		l.left = int64(binary.BigEndian.Uint64(f.payload[4:]))
	case f.kind == 3 && l.open:
		l.left -= int64(f.size - 8)
	}
}

// over returns what is owed to the caller where the callee has come to the end of a message.
func (l *amqpLane) over() []byte {
	if !l.open || l.left != 0 {
		return nil
	}
	owed := l.owed
	l.open, l.owed = false, nil
	return owed
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
