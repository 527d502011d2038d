package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Want is what a value must be: "= 0", ">= 3", "< 300ms", "~ ready|done". The zero value takes any.
type Want struct {
	op, value string
	re        *regexp.Regexp
}

// operators in the order in which they are looked for.
var operators = []string{"<=", ">=", "!=", "=", "<", ">", "~"}

// ParseWant reads a comparison; one without an operator is "=".
func ParseWant(text string) (Want, error) {
	text = strings.TrimSpace(text)
	w := Want{op: "=", value: text}
	for _, op := range operators {
		if rest, ok := strings.CutPrefix(text, op); ok {
			w.op, w.value = op, strings.TrimSpace(rest)
			break
		}
	}
	switch {
	case w.value == "":
		return w, errors.New("there is no value")
	case w.op == "~":
		var err error
		w.re, err = regexp.Compile(w.value)
		return w, err
	case strings.ContainsAny(w.op, "<>"):
		if _, ok := magnitude(w.value); !ok && !variable.MatchString(w.value) {
			return w, fmt.Errorf("%q is no number or duration", w.value)
		}
	}
	return w, nil
}

// String writes it as [ParseWant] reads it.
func (w Want) String() string {
	if w.op == "" {
		return ""
	}
	return w.op + " " + w.value
}

// Set reports whether it compares anything.
func (w Want) Set() bool { return w.op != "" }

// filled is the comparison with the variables of its value replaced.
func (w Want) filled(fill func(string) string) Want {
	if w.op != "~" {
		w.value = fill(w.value)
	}
	return w
}

// Takes reports whether a value is what is wanted.
func (w Want) Takes(value string) bool {
	value = strings.TrimSpace(value)
	switch w.op {
	case "":
		return true
	case "~":
		return w.re.MatchString(value)
	}
	a, okA := magnitude(value)
	b, okB := magnitude(w.value)
	order := strings.Compare(value, w.value)
	if okA && okB {
		order = cmp.Compare(a, b)
	} else if strings.ContainsAny(w.op, "<>") {
		return false
	}
	switch w.op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// magnitude reads a number, a share in percent or a duration, which is in seconds.
func magnitude(s string) (float64, bool) {
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		return v, true
	}
	if share, ok := strings.CutSuffix(s, "%"); ok {
		v, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		return v / 100, err == nil
	}
	d, err := time.ParseDuration(s)
	return d.Seconds(), err == nil
}
