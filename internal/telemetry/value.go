package telemetry

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
)

// maxDepth is how deep the value of an attribute may nest.
const maxDepth = 32

// checkValue reports whether an encoded AnyValue can be read and nests at most maxDepth deep.
func checkValue(b []byte, depth int) bool {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return false
		}
		if f.isBytes(5) && !checkList(f.p, depth+1, false) || f.isBytes(6) && !checkList(f.p, depth+1, true) {
			return false
		}
	}
	return true
}

func checkList(b []byte, depth int, pairs bool) bool {
	if depth > maxDepth {
		return false
	}
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return false
		}
		if !f.isBytes(1) {
			continue
		}
		if pairs {
			if _, _, ok := checkPair(f.p, depth); !ok {
				return false
			}
		} else if !checkValue(f.p, depth) {
			return false
		}
	}
	return true
}

// checkPair returns the key and the encoded value of a KeyValue, and whether both can be read.
func checkPair(b []byte, depth int) (key, value []byte, ok bool) {
	key, value, ok = splitPair(b)
	return key, value, ok && checkValue(value, depth)
}

// splitPair returns the key and the encoded value of a KeyValue.
func splitPair(b []byte) (key, value []byte, ok bool) {
	var f field
	var err error
	own := false // value is a copy
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return nil, nil, false
		}
		switch {
		case f.isBytes(1):
			key = f.p
		case f.isBytes(2) && value == nil:
			value = f.p
		case f.isBytes(2): // protobuf merges what comes twice
			if !own {
				value, own = bytes.Clone(value), true
			}
			value = append(value, f.p...)
		}
	}
	return key, value, true
}

// decodeValue reads an encoded AnyValue that checkValue found good. An empty one is "".
func decodeValue(b []byte) any {
	var out any = ""
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.next(b); err != nil {
			return out
		}
		switch {
		case f.isBytes(1):
			out = validText(f.p)
		case f.num == 2 && f.wire == wireVarint:
			out = f.v != 0
		case f.num == 3 && f.wire == wireVarint:
			out = int64(f.v)
		case f.num == 4 && f.wire == wire64:
			out = math.Float64frombits(f.v)
		case f.isBytes(5):
			had, _ := out.([]any)
			out = append(had, decodeArray(f.p)...)
		case f.isBytes(6):
			had, _ := out.([]Attr)
			out = append(had, decodePairs(f.p, 1)...)
		case f.isBytes(7):
			out = bytes.Clone(f.p)
		}
	}
	return out
}

// plainText returns the bytes of a value that is a short text in ASCII, as most are, without a copy.
func plainText(b []byte) ([]byte, bool) {
	if len(b) < 2 || b[0] != 1<<3|wireBytes || b[1] >= 0x80 || int(b[1]) != len(b)-2 {
		return nil, false
	}
	for _, c := range b[2:] {
		if c >= 0x80 {
			return nil, false
		}
	}
	return b[2:], true
}

func decodeArray(b []byte) []any {
	out := []any{}
	_ = each(b, 1, func(value []byte) error {
		out = append(out, decodeValue(value))
		return nil
	})
	return out
}

// decodePairs reads every KeyValue that is field num of a message.
func decodePairs(b []byte, num uint64) []Attr {
	out := []Attr{}
	_ = each(b, num, func(pair []byte) error {
		key, value, _ := splitPair(pair)
		out = append(out, Attr{Key: validText(key), Value: decodeValue(value)})
		return nil
	})
	return out
}

// validText copies b, with what is no UTF-8 replaced.
func validText(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// putValue appends v as an AnyValue. What is none of the types of [Attr] is written as "".
func putValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return putBytes(b, 1, v)
	case bool:
		n := uint64(0)
		if v {
			n = 1
		}
		return putVarint(b, 2, n)
	case int64:
		return putVarint(b, 3, uint64(v))
	case int:
		return putVarint(b, 3, uint64(v))
	case float64:
		return put64(b, 4, math.Float64bits(v))
	case []byte:
		return putBytes(b, 7, v)
	case []any:
		b, list := begin(b, 5)
		for _, e := range v {
			one := 0
			b, one = begin(b, 1)
			b = end(putValue(b, e), one)
		}
		return end(b, list)
	case []Attr:
		b, list := begin(b, 6)
		return end(putPairs(b, 1, v), list)
	}
	return b
}

// putPairs appends each attribute as a KeyValue in field num.
func putPairs(b []byte, num int, attrs []Attr) []byte {
	for _, a := range attrs {
		pair, value := 0, 0
		b, pair = begin(b, num)
		b, value = begin(putBytes(b, 1, a.Key), 2)
		b = end(end(putValue(b, a.Value), value), pair)
	}
	return b
}

// Format writes the value of an attribute as text: lists as [a, b], nested attributes as {k=v}, bytes in base64.
func Format(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(appendText(nil, v))
}

func appendText(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(b, v...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case []byte:
		return base64.StdEncoding.AppendEncode(b, v)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendText(b, e)
		}
		return append(b, ']')
	case []Attr:
		b = append(b, '{')
		for i, a := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(append(b, a.Key...), '=')
			b = appendText(b, a.Value)
		}
		return append(b, '}')
	}
	return b
}
