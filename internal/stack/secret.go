package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SecretsFile is where secrets are kept, in the stack's folder. Its mode is 0600.
const SecretsFile = ".msctl/secrets.env"

// SecretPrefix begins the environment variable that holds a secret: MSCTL_SECRET_API_KEY for api-key.
const SecretPrefix = "MSCTL_SECRET_"

// Secrets are the values behind ${secret:NAME}. The zero value has none.
type Secrets struct {
	values map[string]string // from the file
	getenv func(string) string
}

// ErrNoSecret says that a secret is neither in the file nor in the environment.
var ErrNoSecret = errors.New("no such secret")

// LoadSecrets reads the secrets of the stack in dir. A file that is not there holds none; one that
// others may read is refused. The environment wins over the file. No error quotes a value.
//
// A line is NAME=value, and every byte behind the = belongs to the value. A value that begins with '
// ends at the next ' and may have line ends; one that begins with " ends at the next " and knows
// \n \r \t \\ \" \$. Empty lines and lines that begin with # are left out.
func LoadSecrets(dir string, getenv func(string) string) (*Secrets, error) {
	s := &Secrets{values: map[string]string{}, getenv: getenv}
	if s.getenv == nil {
		s.getenv = func(string) string { return "" }
	}
	path := filepath.Join(dir, SecretsFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read secrets: %s may be read by others (mode %04o): run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := readFile(path, maxBytes+1)
	if err != nil {
		return nil, err
	}
	if len(text) > maxBytes {
		return nil, fmt.Errorf("read secrets: %s has more than %d bytes", path, maxBytes)
	}
	if s.values, err = parseSecrets(string(text)); err != nil {
		return nil, fmt.Errorf("read secrets: %s: %w", path, err)
	}
	return s, nil
}

// Lookup returns the value of a secret, byte for byte, or [ErrNoSecret].
func (s *Secrets) Lookup(name string) (string, error) {
	if v := s.variable(name); v != "" {
		return v, nil
	}
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	return "", fmt.Errorf("secret %q: %w: put it into %s or %s", name, ErrNoSecret, SecretsFile, secretVariable(name))
}

func (s *Secrets) variable(name string) string {
	if s.getenv == nil {
		return ""
	}
	return s.getenv(secretVariable(name))
}

func secretVariable(name string) string {
	return SecretPrefix + strings.ToUpper(strings.Map(func(r rune) rune {
		if r == '-' || r == '.' {
			return '_'
		}
		return r
	}, name))
}

// Names returns the secrets of the file, sorted.
func (s *Secrets) Names() []string { return slices.Sorted(maps.Keys(s.values)) }

// Values returns what is not to be shown: the secrets of the file, those that st refers to, and what looks
// like a secret in the variables of st. st may be nil.
func (s *Secrets) Values(st *Stack) []string {
	values := slices.Collect(maps.Values(s.values))
	for _, u := range st.secretRefs() {
		if v, err := s.Lookup(u.Name); err == nil {
			values = append(values, v)
		}
	}
	getenv := s.getenv
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	return append(values, st.likely(getenv)...)
}

// Redactor masks the [Secrets.Values] of st.
func (s *Secrets) Redactor(st *Stack) *Redactor { return NewRedactor(s.Values(st)...) }

// Check returns [Errors] for every secret that st refers to and that is not there, or nil.
func (s *Secrets) Check(st *Stack) error {
	c := &collector{}
	for _, u := range st.secretRefs() {
		if _, err := s.Lookup(u.Name); err != nil {
			c.fail(u.Pos, fmt.Sprintf("put it into %s or %s", SecretsFile, secretVariable(u.Name)), "there is no secret %q", u.Name)
		}
	}
	return c.result(nil)
}

// secretRefs returns every mention of a secret.
func (s *Stack) secretRefs() []spot {
	var out []spot
	for _, v := range s.vars() {
		refs, _ := v.Refs()
		for _, r := range refs {
			if r.Scheme == SchemeSecret {
				out = append(out, spot{r.Name, v.Pos})
			}
		}
	}
	return out
}

// parseSecrets reads the file's text. Its errors name lines, never values.
func parseSecrets(text string) (map[string]string, error) {
	out := map[string]string{}
	for line := 1; text != ""; {
		first, _, _ := strings.Cut(text, "\n")
		if trimmed := strings.TrimSpace(first); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			text, line = text[min(len(first)+1, len(text)):], line+1
			continue
		}
		name, rest, ok := strings.Cut(text, "=")
		if name = strings.TrimPrefix(name, "export "); !ok || !varRule.MatchString(name) {
			return nil, fmt.Errorf("line %d: write NAME=value", line)
		}
		value, tail, err := secretValue(rest)
		if err == nil && (strings.ContainsRune(value, 0) || len(value) > maxVariable) {
			err = fmt.Errorf("the value has a NUL byte or more than %d bytes", maxVariable)
		}
		if _, twice := out[name]; twice {
			err = errors.New("the name is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		out[name] = value
		line += strings.Count(text[:len(text)-len(tail)], "\n")
		text = tail
	}
	return out, nil
}

// secretValue reads one value and returns what follows its line.
func secretValue(rest string) (value, tail string, err error) {
	switch {
	case strings.HasPrefix(rest, "'"):
		value, tail, ok := strings.Cut(rest[1:], "'")
		if !ok {
			return "", "", errors.New("the quote ' is not closed")
		}
		tail, err := lineEnd(tail)
		return value, tail, err
	case strings.HasPrefix(rest, `"`):
		return quotedSecret(rest[1:])
	}
	value, tail, _ = strings.Cut(rest, "\n")
	if strings.HasSuffix(value, "\r") {
		return "", "", errors.New(`the line ends in a carriage return: save the file with \n line ends, or quote the value`)
	}
	return value, tail, nil
}

// unescaped returns what a backslash and c mean in double quotes, or 0.
func unescaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case '\\', '"', '$':
		return c
	}
	return 0
}

func quotedSecret(rest string) (value, tail string, err error) {
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			tail, err := lineEnd(rest[i+1:])
			return b.String(), tail, err
		case c == '\\' && i+1 < len(rest) && unescaped(rest[i+1]) != 0:
			i++
			b.WriteByte(unescaped(rest[i]))
		case c == '\\':
			return "", "", errors.New(`a backslash in double quotes begins one of \n \r \t \\ \" \$`)
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New(`the quote " is not closed`)
}

func lineEnd(tail string) (string, error) {
	rest, after, _ := strings.Cut(tail, "\n")
	if strings.TrimRight(rest, " \t\r") != "" {
		return "", errors.New("something follows the closing quote")
	}
	return after, nil
}
