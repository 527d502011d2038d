package telemetry

// decodeLog reads one log record.
func decodeLog(d *decoder, b []byte) (bool, error) {
	var r record
	var at, observed, severity uint64
	var word, body, event []byte
	ok := true
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return false, err
		}
		switch {
		case f.isBytes(6):
			ok = d.logAttr(&r, f.p) && ok
		case f.num == 1 && f.wire == wire64:
			at = f.v
		case f.num == 11 && f.wire == wire64:
			observed = f.v
		case f.num == 2 && f.wire == wireVarint:
			severity = f.v
		case f.isBytes(3):
			word = f.p
		case f.isBytes(5):
			body = append(body[:len(body):len(body)], f.p...)
		case f.isBytes(9) && len(f.p) == 16:
			copy(r.trace[:], f.p)
		case f.isBytes(10) && len(f.p) == 8:
			r.span = number64(f.p)
		case f.isBytes(12):
			event = f.p
		}
	}
	if len(body) > 0 {
		ok = d.entry(classBody, body) && ok
	}
	if len(event) > 0 {
		ok = d.entry(classPair, putBytes(putBytes(nil, 1, "event.name"), 2, putBytes(nil, 1, event))) && ok
	}
	if !ok {
		return false, nil
	}
	if at == 0 {
		at = observed
	}
	if at == 0 && d.now > 0 {
		at = uint64(d.now)
	}
	r.start, _ = clampTime(at, at)
	r.tag |= byte(severityOf(severity, word))
	d.m.add(&r)
	return true, nil
}

// printedKey is the attribute by which a log record says that it was printed.
const printedKey = "msctl.printed"

// logAttr adds one attribute of a log record.
func (d *decoder) logAttr(r *record, b []byte) bool {
	if key, value, ok := splitPair(b); ok && string(key) == printedKey && decodeValue(value) == true {
		r.tag |= printedTag
		return true
	}
	return d.entry(classPair, b)
}

// severityOf takes the number, or else the word: Go, Java, Python and syslog name the same ranges.
func severityOf(n uint64, word []byte) Severity {
	if n > 0 && n <= 24 {
		return Severity(n)
	}
	return ParseSeverity(string(word))
}
