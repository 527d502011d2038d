package stack

import "regexp"

// What gives a secret away: the name of a variable, a password in a URL, a flag on a command line.
var (
	secretName   = regexp.MustCompile(`(?i)(pass|secret|token|credential|api_?key|private|_key$|^key$|dsn$)`)
	urlPassword  = regexp.MustCompile(`(://[^\s:/@]*:)[^\s@]+@`)
	maskable     = regexp.MustCompile(`(?i)(--?(?:password|passwd|secret|token|api-?key)[= ])(?:'[^']*'|"[^"]*"|\S+)`)
	passwordFlag = regexp.MustCompile(`(?i)^--?(?:password|passwd|secret|token|api-?key)$`)
	reference    = regexp.MustCompile(`\$\{[^}]*\}`)
)

// maskVar hides what may be secret in a variable. References name secrets and do not hold them.
func maskVar(v Var, text string) string {
	bare := reference.ReplaceAllString(text, "")
	if v.Literal || secretName.MatchString(v.Name) && bare != "" {
		return Mask
	}
	return urlPassword.ReplaceAllStringFunc(text, func(m string) string {
		if reference.MatchString(m) {
			return m
		}
		return urlPassword.ReplaceAllString(m, "${1}"+Mask+"@")
	})
}

func maskArgument(a string) string {
	a = urlPassword.ReplaceAllString(a, "${1}"+Mask+"@")
	return maskable.ReplaceAllString(a, "${1}"+Mask)
}

// MaskArguments returns a command line with the passwords in URLs and behind flags masked.
func MaskArguments(argv []string) []string {
	var out []string
	hide := false
	for _, a := range argv {
		if hide {
			a = Mask
		}
		hide = passwordFlag.MatchString(a)
		out = append(out, maskArgument(a))
	}
	return out
}
