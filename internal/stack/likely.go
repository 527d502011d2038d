package stack

import (
	"regexp"
	"strings"
)

// passwordOf finds the password in each URL of a text.
var passwordOf = regexp.MustCompile(`://[^\s:/@]*:([^\s@]+)@`)

// likely returns the values in the stack's variables that nobody called a secret and that are like one: by
// the variable's name, as the password in a URL, or by their looks where an env file has them.
func (s *Stack) likely(getenv func(string) string) []string {
	var out []string
	for _, v := range s.vars() {
		named := secretName.MatchString(v.Name)
		refs, _ := v.Refs()
		for _, r := range refs {
			if r.Scheme == SchemeEnv && (named || secretName.MatchString(r.Name)) {
				out = append(out, secretLike(getenv(r.Name), true))
			}
		}
		for _, m := range passwordOf.FindAllStringSubmatch(reference.ReplaceAllString(v.Value, ""), -1) {
			out = append(out, secretLike(m[1], true))
		}
		if len(refs) == 0 && (named || v.Literal) && !strings.Contains(v.Value, "://") {
			out = append(out, secretLike(v.Value, named))
		}
	}
	return out
}

// vars returns every variable of the stack.
func (s *Stack) vars() []Var {
	if s == nil {
		return nil
	}
	var out []Var
	for _, r := range s.Resources {
		out = append(out, r.Env...)
	}
	for _, svc := range s.Services {
		out = append(out, svc.Env...)
	}
	return out
}

// Lengths from which a value is taken for a secret. Words such as "postgres" are not, whatever their
// variable's name: masking them would leave holes in every text.
const (
	likelyNamed  = 6  // its variable is called like one; it has letters and digits
	likelyLong   = 16 // its variable is called like one, whatever it holds
	likelyRandom = 20 // by its looks alone
)

// secretLike returns value where it looks like a secret, else "". named says that its variable is called
// like one.
func secretLike(value string, named bool) string {
	mixed := strings.ContainsAny(value, "0123456789") && strings.ContainsFunc(value, letter)
	switch {
	case named && (len(value) >= likelyLong || mixed && len(value) >= likelyNamed):
		return value
	case mixed && len(value) >= likelyRandom && !strings.ContainsAny(value, " /:"):
		return value
	}
	return ""
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
