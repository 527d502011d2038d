package stack

import (
	"fmt"
	"slices"
	"strings"
)

// Ref is one reference in a variable's value.
type Ref struct {
	Scheme string   // "" for a service or resource, "env" or "secret"
	Name   string   // of a service or resource, "self", or of the variable or secret
	Parts  []string // {"url"}, or a listen name and "addr", "host", "port" or "url"
}

// The schemes of references.
const (
	SchemeEnv    = "env"
	SchemeSecret = "secret"
)

// Self is the name by which a service refers to itself.
const Self = "self"

// String returns the reference as it is written: "${orders.grpc.addr}".
func (r Ref) String() string {
	if r.Scheme != "" {
		return "${" + r.Scheme + ":" + r.Name + "}"
	}
	return "${" + strings.Join(append([]string{r.Name}, r.Parts...), ".") + "}"
}

// Refs returns the references of a variable, in order. A literal variable has none.
func (v Var) Refs() ([]Ref, error) {
	var out []Ref
	_, err := Expand(v, func(r Ref) (string, error) { out = append(out, r); return "", nil })
	return out, err
}

// Expand replaces each reference of v by what lookup says, once: what lookup returns is never looked at
// again. `$$` is a dollar, and a dollar before anything but a brace is itself. The error has v's place.
func Expand(v Var, lookup func(Ref) (string, error)) (string, error) {
	if v.Literal {
		return v.Value, nil
	}
	var b strings.Builder
	for rest := v.Value; ; {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), nil
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			rest = after[1:]
		case strings.HasPrefix(after, "{"):
			inside, tail, closed := strings.Cut(after[1:], "}")
			if !closed {
				return "", v.mistake("write $$ for a dollar", "reference %s is not closed", shorten("$"+after))
			}
			got, err := v.replace(inside, lookup)
			if err != nil {
				return "", err
			}
			b.WriteString(got)
			rest = tail
		default:
			b.WriteByte('$')
			rest = after
		}
	}
}

func (v Var) replace(inside string, lookup func(Ref) (string, error)) (string, error) {
	r, hint := parseRef(inside)
	if hint != "" {
		return "", v.mistake(hint, "%s is not a reference", shorten("${"+inside+"}"))
	}
	got, err := lookup(r)
	if err != nil {
		return "", &Error{Pos: v.Pos, Msg: fmt.Sprintf("set %s: %v", v.Name, err), cause: err}
	}
	return got, nil
}

func (v Var) mistake(hint, format string, args ...any) *Error {
	return &Error{Pos: v.Pos, Msg: fmt.Sprintf("variable %s: ", v.Name) + fmt.Sprintf(format, args...), Hint: hint}
}

const refHint = "write ${NAME.url}, ${NAME.LISTEN.addr}, ${self.http.port}, ${env:NAME} or ${secret:NAME}; $$ is a dollar"

// parseRef reads what stands between the braces. A hint says that it is no reference.
func parseRef(inside string) (Ref, string) {
	if scheme, name, ok := strings.Cut(inside, ":"); ok {
		if scheme != SchemeEnv && scheme != SchemeSecret {
			return Ref{}, refHint
		}
		if !varRule.MatchString(name) {
			return Ref{}, varHint
		}
		return Ref{Scheme: scheme, Name: name}, ""
	}
	words := strings.Split(inside, ".")
	if len(words) == 1 && varRule.MatchString(inside) && strings.ToUpper(inside) == inside {
		return Ref{}, "write ${env:" + inside + "}"
	}
	if len(words) < 2 || len(words) > 3 || slices.ContainsFunc(words, func(w string) bool { return !nameRule.MatchString(w) }) {
		return Ref{}, refHint
	}
	return Ref{Name: words[0], Parts: words[1:]}, ""
}
