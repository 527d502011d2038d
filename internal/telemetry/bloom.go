package telemetry

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// bloom is a bloom filter: it says "surely not" or "perhaps". Empty it says perhaps.
type bloom []byte

// newBloom makes room for n values with at least so many bits each: ten are wrong once in a hundred times,
// sixteen once in a thousand.
func newBloom(n, each int) bloom {
	return make(bloom, max(8, 1<<bits.Len(uint(n*each/8))))
}

const probes = 5

func (b bloom) add(h uint64) {
	mask, step := uint64(len(b)*8-1), h>>32|1
	for range probes {
		b[h&mask>>3] |= 1 << (h & 7)
		h += step
	}
}

func (b bloom) may(h uint64) bool {
	if len(b) == 0 {
		return true
	}
	mask, step := uint64(len(b)*8-1), h>>32|1
	for range probes {
		if b[h&mask>>3]&(1<<(h&7)) == 0 {
			return false
		}
		h += step
	}
	return true
}

// hashText is a hash that is the same on every machine: FNV-1a, its bits mixed once more.
func hashText[T string | []byte](s T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

func hashTrace(id TraceID) uint64 {
	h := binary.LittleEndian.Uint64(id[:]) ^ binary.LittleEndian.Uint64(id[8:])*0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// hashValue calls add with every hash under which a value may be asked for with =. It returns false for
// values that are compared in ways that hashes cannot tell.
func hashValue(v any, add func(uint64)) bool {
	switch v := v.(type) {
	case string:
		add(hashText(v))
	case bool:
		add(hashText(strconv.FormatBool(v)))
	case int64:
		add(hashNumber(float64(v)))
		add(hashText(strconv.FormatInt(v, 10)))
	case float64:
		add(hashNumber(v))
		add(hashText(strconv.FormatFloat(v, 'g', -1, 64)))
	case []any:
		for _, e := range v {
			if !hashValue(e, add) {
				return false
			}
		}
	default:
		return false
	}
	return true
}

func hashNumber(f float64) uint64 {
	return hashText("\x00" + strconv.FormatFloat(f, 'g', -1, 64))
}
