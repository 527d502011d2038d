package telemetry

import (
	"bytes"
	"encoding/binary"
	"math"
)

// decoder reads an export request of OTLP into the columns of a memory. Traces and logs have the same
// outline: resources, in them scopes, in them records.
type decoder struct {
	m        *memory
	now      int64 // for log records without a time
	record   func(d *decoder, b []byte) (bool, error)
	resource uint32
	scope    uint32
	seen     []uint32 // keys of the record that is read

	accepted, rejected int64
}

// request reads a whole request. On an error memory holds rows that must be undone.
func (d *decoder) request(b []byte) error {
	return each(b, 1, func(p []byte) error { return d.group(p) })
}

// each calls fn with every length-delimited field num of a message.
func each(b []byte, num uint64, fn func([]byte) error) error {
	return eachField(b, func(f *field) error {
		if f.isBytes(num) {
			return fn(f.p)
		}
		return nil
	})
}

// eachField calls fn with every field of a message until one is an error.
func eachField(b []byte, fn func(f *field) error) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err == nil {
			err = fn(&f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// first returns field num of a message; where it comes several times, all of them joined, as protobuf does.
func first(b []byte, num uint64) (out []byte, err error) {
	seen := 0
	err = each(b, num, func(p []byte) error {
		switch seen++; seen {
		case 1:
			out = p
		case 2:
			out = append(bytes.Clone(out), p...) // out was the sender's
		default:
			out = append(out, p...)
		}
		return nil
	})
	return out, err
}

// group reads the records of one resource. The resource may stand behind them.
func (d *decoder) group(b []byte) error {
	res, err := first(b, 1)
	if err != nil {
		return err
	}
	fine := checkAttrs(res, 1)
	if fine {
		d.resource, _ = d.m.put(classResource, res)
	}
	return each(b, 2, func(p []byte) error { return d.records(p, fine) })
}

// checkAttrs checks the attributes of a resource or a scope.
func checkAttrs(b []byte, num uint64) bool {
	n := 0
	return each(b, num, func(p []byte) error {
		key, _, ok := checkPair(p, 0)
		if n++; !ok || n > maxAttrs || len(key) > maxKey {
			return errWire
		}
		return nil
	}) == nil && len(b) <= maxRecord
}

func (d *decoder) records(b []byte, fine bool) error {
	scope, err := first(b, 1)
	if err != nil {
		return err
	}
	if d.scope = 0; len(scope) > 0 && len(scope) <= maxRecord {
		d.scope, _ = d.m.put(classScope, scope)
		d.scope++
	}
	return each(b, 2, func(p []byte) error {
		ok, at := false, d.m.mark()
		if fine && len(p) <= maxRecord {
			d.seen = d.seen[:0]
			d.m.ent = append(d.m.ent, d.resource)
			if d.scope > 0 {
				d.m.ent = append(d.m.ent, d.scope-1)
			}
			if ok, err = d.record(d, p); err != nil {
				return err
			}
		}
		if !ok {
			d.m.undo(at)
			d.rejected++
			return nil
		}
		d.accepted++
		return nil
	})
}

// entry adds one value to the row that is read.
func (d *decoder) entry(c class, b []byte) bool {
	id, ok := d.m.put(c, b)
	if !ok {
		return false
	}
	key := d.m.key[id]
	for _, k := range d.seen {
		if k == key { // keys are unique: the first holds
			return true
		}
	}
	d.seen = append(d.seen, key)
	d.m.ent = append(d.m.ent, id)
	return len(d.seen) <= maxAttrs
}

// decodeSpan reads one span. It returns false for one that may not be stored.
func decodeSpan(d *decoder, b []byte) (bool, error) {
	var r record
	var start, end uint64
	var kind Kind
	var status []byte
	var name []byte
	ok, extras := true, 0
	var f field
	for len(b) > 0 {
		rest, err := f.next(b)
		if err != nil {
			return false, err
		}
		whole := b[:len(b)-len(rest)]
		b = rest
		switch {
		case f.isBytes(9):
			ok = d.entry(classPair, f.p) && ok
		case f.isBytes(1):
			ok = len(f.p) == 16 && ok
			copy(r.trace[:], f.p)
		case f.isBytes(2):
			ok = len(f.p) == 8 && ok
			r.span = number64(f.p)
		case f.isBytes(4):
			ok = (len(f.p) == 8 || len(f.p) == 0) && ok
			r.parent = number64(f.p)
		case f.isBytes(5):
			name = f.p
		case f.num == 6 && f.wire == wireVarint:
			kind = kindOf(f.v)
		case f.num == 7 && f.wire == wire64:
			start = f.v
		case f.num == 8 && f.wire == wire64:
			end = f.v
		case f.isBytes(11), f.isBytes(13):
			extras++
			ok = checkExtra(f.p, f.num) && ok
			d.m.ext = append(d.m.ext, whole...)
		case f.isBytes(15):
			status = append(status[:len(status):len(status)], f.p...)
		}
	}
	if ok = ok && r.trace != (TraceID{}) && r.span != 0 && extras <= maxExtras; !ok {
		return false, nil
	}
	code, err := d.status(status)
	if err != nil {
		return false, err
	}
	d.entry(className, name)
	r.start, r.dur = clampTime(start, end)
	r.tag = spanTag(kind, code)
	d.m.add(&r)
	return true, nil
}

// status reads a Status and adds its message.
func (d *decoder) status(b []byte) (code Status, err error) {
	var f field
	var message []byte
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return 0, err
		}
		switch {
		case f.isBytes(2):
			message = f.p
		case f.num == 3 && f.wire == wireVarint:
			if code = Unset; f.v <= uint64(Failed) {
				code = Status(f.v)
			}
		}
	}
	if len(message) > 0 {
		d.entry(classMessage, message)
	}
	return code, nil
}

// checkExtra checks an event (field 11) or a link (field 13) of a span.
func checkExtra(b []byte, num uint64) bool {
	attrs := uint64(3)
	if num == 13 {
		attrs = 4
	}
	return checkAttrs(b, attrs)
}

func kindOf(v uint64) Kind {
	if v > uint64(Consumer) {
		return Unspecified
	}
	return Kind(v)
}

func number64(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// clampTime turns OTLP's unsigned times into a start and a duration. What lies behind the year 2262 is
// brought down to it, and an end before the start is the start. Times before 1970, which only
// [Store.AddSpans] knows, travel as their two's complement in the upper half of that range.
func clampTime(start, end uint64) (at, dur int64) {
	s, e := signed(start), signed(end)
	if e <= s {
		return s, 0
	}
	if d := uint64(e) - uint64(s); d < math.MaxInt64 {
		return s, min(int64(d), math.MaxInt64-max(s, 0))
	}
	return s, math.MaxInt64 - max(s, 0)
}

// signed reads a time: the last eighth of the range is before 1970.
func signed(t uint64) int64 {
	if t > math.MaxInt64 && t < 7<<61 {
		return math.MaxInt64
	}
	return int64(t)
}
