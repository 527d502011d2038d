package proxy

import "strings"

// maxTemplate bounds the name of a call, in bytes.
const maxTemplate = 120

// pathOf returns the path of a request target: without scheme, authority and query.
func pathOf(target string) string {
	if !strings.HasPrefix(target, "/") {
		if _, rest, ok := strings.Cut(target, "://"); ok {
			slash := strings.IndexAny(rest, "/?")
			if slash < 0 || rest[slash] == '?' {
				return "/"
			}
			target = rest[slash:]
		}
	}
	if q := strings.IndexAny(target, "?#"); q >= 0 {
		target = target[:q]
	}
	return target
}

// template folds what looks like an id in a path: "/v1/users/42" becomes "/v1/users/{id}".
func template(path string) string {
	folded := false
	for seg := range strings.SplitSeq(path, "/") {
		if folded = isID(seg); folded {
			break
		}
	}
	if !folded {
		return shorten(path)
	}
	var b strings.Builder
	b.Grow(len(path))
	for i, seg := range strings.Split(path, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		if isID(seg) {
			seg = "{id}"
		}
		b.WriteString(seg)
	}
	return shorten(b.String())
}

func shorten(s string) string {
	if len(s) <= maxTemplate {
		return s
	}
	return s[:maxTemplate-3] + "..."
}

// Lengths from which a segment of mixed characters is taken for an id.
const (
	hexID   = 8  // hexadecimal digits only, at least one of them 0 to 9
	tokenID = 16 // letters and digits, at least two digits
	longID  = 40 // anything
)

// isID guesses whether a segment of a path names one of many things: a number, a UUID, a hash, a token, an
// address, or a word with a number of three digits behind it.
func isID(s string) bool {
	digits, hexes, others, run := 0, 0, 0, 0 // run: digits at the end
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			digits++
			run++
			continue
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			hexes++
		case c == '-':
		case c == '@':
			return i > 0
		default:
			others++
		}
		run = 0
	}
	n := len(s)
	switch {
	case digits == 0:
		return n >= longID
	case digits == n || n >= longID:
		return true
	case others == 0 && digits+hexes >= hexID:
		return true
	case n >= tokenID && digits >= 2:
		return true
	}
	return run >= 3 && run < n && (s[n-run-1] == '-' || s[n-run-1] == '_')
}
