package sniff

import "strconv"

// words holds strings that a connection says again and again, so that each is made once. Its zero value
// works.
type words struct{ known map[string]string }

// Bounds of words: at most 8 KiB.
const (
	maxWords = 64
	maxWord  = 128
)

func (w *words) of(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := w.known[string(b)]; ok {
		return s
	}
	if w.known == nil {
		w.known = make(map[string]string)
	}
	if len(w.known) >= maxWords {
		clear(w.known)
	}
	s := string(b[:min(len(b), maxWord)])
	w.known[s] = s
	return s
}

// number returns n in decimal.
func (w *words) number(n int64) string {
	var digits [20]byte
	return w.of(strconv.AppendInt(digits[:0], n, 10))
}

// maxToken is the longest part of a key that is taken for a word.
const maxToken = 24

// pattern appends to dst the shape of a key, subject or routing key: "user:?:cart" for "user:4711:cart".
// What is between separators stays where it is a plain word, and becomes a question mark where it is a
// number, an id, an address or anything else.
func pattern(dst, key []byte) []byte {
	for len(key) > 0 {
		n := 0
		for n < len(key) && !separator(key[n]) {
			n++
		}
		if word := key[:n]; plain(word) {
			dst = append(dst, word...)
		} else {
			dst = append(dst, '?')
		}
		if n < len(key) {
			dst = append(dst, key[n])
			n++
		}
		key = key[n:]
	}
	return dst
}

func separator(c byte) bool {
	switch c {
	case ':', '.', '/', '|', '{', '}', '#', '*', '>':
		return true
	}
	return false
}

// plain reports a word that is neither an id nor a value. A version such as v2 is a word.
func plain(word []byte) bool {
	if len(word) > maxToken {
		return false
	}
	for i, c := range word {
		switch {
		case letter(c) || c == '_' || c == '-' || c == '$':
		case digit(c) && i > 0 && word[0] == 'v' && len(word) <= 3:
		default:
			return false
		}
	}
	return true
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }

// upper appends b in upper case to dst.
func upper(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'a' && c <= 'z' {
			c -= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
