package filter

import (
	"strconv"
	"strings"
	"time"
)

// unit is the end of a number and what it counts.
type unit struct {
	name  string
	times float64
}

// sizes are the units of sizes, upper case, longest first where one ends in another.
var sizes = []unit{
	{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"TIB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// number reads "3", "1.5e3", "200ms" (ns) or "10MB" (bytes). Bare says that it had no unit.
func number(s string) (v float64, bare, ok bool) {
	if s == "" || len(s) > 64 || !strings.ContainsRune("0123456789.+-", rune(s[0])) {
		return 0, false, false
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil && finite(s) {
		return v, true, true
	}
	if d, ok := duration(s); ok {
		return float64(d), false, true
	}
	upper := strings.ToUpper(s)
	for _, u := range sizes {
		digits, found := strings.CutSuffix(upper, u.name)
		if !found {
			continue
		}
		if v, err := strconv.ParseFloat(digits, 64); err == nil && finite(digits) {
			return v * u.times, false, true
		}
	}
	return 0, false, false
}

// finite refuses the words for infinity and the hexadecimal forms that ParseFloat reads.
func finite(s string) bool { return !strings.ContainsAny(s, "nNxXpP_") }

// duration reads a Go duration, or days: "2d".
func duration(s string) (time.Duration, bool) {
	if days, found := strings.CutSuffix(s, "d"); found {
		v, err := strconv.ParseFloat(days, 64)
		ns := v * float64(24*time.Hour)
		return time.Duration(ns), err == nil && finite(days) && ns < 1<<62 && ns > -1<<62
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

// ranks are the severities of logs by name: the first number of each range.
var ranks = []unit{{"trace", 1}, {"debug", 5}, {"info", 9}, {"warn", 13}, {"warning", 13}, {"error", 17}, {"fatal", 21}}

func rank(name string) (float64, bool) {
	for _, r := range ranks {
		if strings.EqualFold(r.name, name) {
			return r.times, true
		}
	}
	return 0, false
}

// leveled says that a key is compared by severity.
func leveled(key string) bool { return key == "level" || key == "severity" }

// timed says that a key is a duration, so that a bare number says nothing.
func timed(key string) bool {
	return key == "duration" || key == "self" || key == "trace.duration"
}
